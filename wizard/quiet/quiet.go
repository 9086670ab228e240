// Package quiet keeps Bubble Tea from asking the terminal for its background
// colour while the program is being initialised: on a terminal that does not
// answer, that stalls every verb for five seconds.
//
// Bubble Tea v1 asks in an init function (tea_init.go), by way of termenv,
// which asks nothing if TERM is "dumb". Packages are initialised in the order
// of their import paths as soon as all that they import is (Go specification,
// "Program initialization"); this one imports nothing but os, so its turn
// comes before the tree of packages below Bubble Tea is done. A test on a
// terminal that never answers watches over it.
package quiet

import "os"

var term, had = os.LookupEnv("TERM")

func init() {
	if had {
		_ = os.Setenv("TERM", "dumb") // fails only for names that cannot be
	}
}

// Over gives TERM back. It is to be called when initialisation has ended.
func Over() {
	if had {
		_ = os.Setenv("TERM", term)
	}
}
