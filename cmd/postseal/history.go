package main

import (
	"github.com/spf13/cobra"

	"postseal/internal/apply"
)

func (a *app) historyCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "history",
		Short: "List what earlier runs did",
		Long: `history lists all runs, newest first, with what became of them.
`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			dir := a.settings.StateDir
			if dir == "" {
				dir = "/var/lib/postseal"
			}
			all, err := apply.History(a.machine, dir, a.settings.ConfigDir)
			if err != nil {
				return err
			}
			if a.json {
				if all == nil {
					all = []*apply.Receipt{}
				}
				return a.printer(a.out).JSON(all)
			}
			a.printer(a.out).History(all)
			return nil
		},
	}
}
