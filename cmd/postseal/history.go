package main

import (
	"github.com/spf13/cobra"

	"postseal/cmd/cli"
	"postseal/internal/apply"
)

func (a *app) historyCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "history",
		Short: "List what earlier runs did",
		Long: `history lists all runs, newest first, with their outcome.
`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			all, err := apply.Standing(a.Machine, a.stateDir(), a.settings.ConfigDir)
			if err != nil {
				return err
			}
			if u, err := apply.Waiting(a.Machine, a.stateDir()); err == nil && u != nil && u.Lost() && !a.JSON {
				a.Printer(a.Err).Errors(u.Err(a.stateDir(), a.Machine.Now()))
			}
			if a.JSON {
				if all == nil {
					all = []*apply.Receipt{}
				}
				return a.Printer(a.Out).JSON(all)
			}
			a.Printer(a.Out).History(all)
			return nil
		},
	}
}
