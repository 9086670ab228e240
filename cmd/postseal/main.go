// Command postseal hardens the TLS of a Postfix mail server.
//
// This package only starts things: it reads the command line and prints reports.
// With cmd/cli it is the only user of cobra.
package main

import (
	"fmt"
	"os"

	"postseal/cmd/cli"
	"postseal/internal/host"
)

func main() {
	if err := host.Confine(); err != nil {
		fmt.Fprintln(os.Stderr, "postseal:", err)
		os.Exit(cli.Failed)
	}
	// By this path it is never called postseal, not even before it has named itself.
	if _, err := os.Stat("/proc/self/exe"); err == nil {
		guard = []string{"/proc/self/exe", guardVerb}
	} else if self, err := os.Executable(); err == nil {
		guard = []string{self, guardVerb}
	}
	os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
