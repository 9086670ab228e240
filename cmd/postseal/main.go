// Command postseal hardens the TLS of a Postfix mail server.
//
// This package only starts things: it reads the command line and prints reports.
// With cmd/cli it is the only user of cobra.
package main

import "os"

func main() {
	if self, err := os.Executable(); err == nil {
		guard = []string{self, guardVerb}
	}
	os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
