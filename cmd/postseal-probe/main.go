// Command postseal-probe is postseal probe by itself: it looks at mail servers
// from outside, from any machine, and knows nothing of Postfix's files. Without
// the rest it starts faster and needs less memory.
package main

import (
	"io"
	"os"

	"postseal/cmd/cli"
)

func main() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// Main runs the program with these arguments and returns its exit code.
func Main(args []string, in *os.File, out, err io.Writer) int {
	run, stop := cli.Start(in, out, err)
	defer stop()
	root := run.Probe()
	root.Use = "postseal-probe [HOST[:PORT]]..."
	root.Version = cli.Version
	root.Long += cli.ExitHelp
	run.Flags(root.Flags())
	return run.Execute(root, args)
}
