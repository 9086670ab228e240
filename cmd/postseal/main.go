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
	if path, err := os.Executable(); err == nil {
		self = path
		guard = []string{path, guardVerb}
	}
	// By this path the guard is never called postseal, not even before it names itself.
	if _, err := os.Stat("/proc/self/exe"); err == nil {
		guard = []string{"/proc/self/exe", guardVerb}
	}
	os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
