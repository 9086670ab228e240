// Command postseal-probe is postseal probe by itself: it looks at mail servers
// from outside, from any machine, and reads nothing of a Postfix. Without ACME and
// the wizard it starts faster and needs less memory.
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
	root.Long += `
Exit codes:
  0    done
  1    failed: there was nothing to be seen
  2    wrong usage
  3    findings, as above
  130  interrupted, or the reader of the output closed the pipe
`
	root.CompletionOptions.DisableDefaultCmd = true // a host may be called completion
	run.Flags(root.Flags())
	return run.Execute(root, args)
}
