package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"postseal/cmd/cli"
)

func (a *app) manCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIRECTORY",
		Short: "Write the manual pages into a directory",
		Long: `man writes one page for each verb, such as postseal-apply.1, for /usr/local/share/man/man1.
`,
		Args: cli.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if st, err := os.Stat(args[0]); err != nil || !st.IsDir() {
				return cli.Misuse(fmt.Errorf("%.80q is not a directory", args[0]))
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			return doc.GenManTree(root, &doc.GenManHeader{Title: "POSTSEAL", Section: "1", Source: "postseal " + cli.Version}, args[0])
		},
	}
}
