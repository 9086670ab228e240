package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"postseal/cmd/cli"
)

func (a *app) versionCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which postseal this is",
		Long: `version prints the version of postseal, and what it was built with.
`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			revision := ""
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						revision = s.Value[:min(12, len(s.Value))]
					}
				}
			}
			if a.JSON {
				return a.Printer(a.Out).JSON(map[string]string{"version": cli.Version, "revision": revision, "go": runtime.Version()})
			}
			fmt.Fprintf(a.Out, "postseal %s %s %s\n", cli.Version, revision, runtime.Version())
			return nil
		},
	}
}
