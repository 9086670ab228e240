package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"postseal/cmd/cli"
	"postseal/internal/hint"
)

func (a *app) policySuggestCmd() *cobra.Command {
	var flags policyFlags
	cmd := &cobra.Command{
		Use:   "suggest [DOMAIN]...",
		Short: "Say which level the evidence supports, without changing anything",
		Long: `suggest looks up what the domains publish and, unless told otherwise, shakes hands with their mail servers. It says which
level that supports, why, and how many sessions it would have held. Without domains it covers
those to which mail went in the last 30 days of the log, or else all known ones. Nothing is written.
`,
		RunE: func(_ *cobra.Command, args []string) error { return a.policySuggest(args, flags) },
	}
	flags.add(cmd)
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	return cmd
}

func (a *app) policySuggest(args []string, flags policyFlags) error {
	if err := flags.check(); err != nil {
		return err
	}
	wanted, err := a.destinations(args, flags.from)
	if err != nil {
		return err
	}
	p, err := a.openPolicies(&flags.rule)
	if err != nil {
		return err
	}
	wanted = p.counted(wanted)
	p.state.Know(wanted)
	names := p.names(wanted)
	if len(names) == 0 {
		return cli.Misuse(hint.New("no destination is known", "name domains: postseal policy suggest example.org"))
	}
	if err := a.gatherPolicies(p, names, flags.noHandshakes); err != nil {
		return err
	}
	views, err := p.views(names)
	if err != nil {
		return err
	}
	if a.JSON {
		out := p.json()
		out["domains"] = views
		return a.Printer(a.Out).JSON(out)
	}
	a.Printer(a.Out).Policies(views, p.inUse(), flags.rule, p.now)
	a.notInUse(p)
	return nil
}

// gatherPolicies brings evidence up to date.
func (a *app) gatherPolicies(p *policies, names []string, noHandshakes bool) error {
	g, err := p.gatherer(noHandshakes)
	if err != nil {
		return err
	}
	done := a.Waiting("looking at destinations: " + strconv.Itoa(len(names)))
	defer done()
	g.Gather(a.Ctx, p.state, names)
	return nil
}
