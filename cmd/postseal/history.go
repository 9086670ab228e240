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
			all, err := apply.Standing(a.machine, a.stateDir(), a.settings.ConfigDir)
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
