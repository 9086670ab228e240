package main

import (
	"slices"

	"github.com/spf13/cobra"

	"postseal/cmd/cli"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/policy"
	"postseal/internal/rehearse"
	"postseal/internal/report"
)

func (a *app) policyDrillCmd() *cobra.Command {
	var top int
	cmd := &cobra.Command{
		Use:   "drill [DOMAIN]...",
		Short: "Show what an attacker would get of the mail to each destination, now and at the proposed level",
		Long: `drill plays three attacks on a private Postfix with the present settings: STARTTLS is stripped, the server is replaced by one
with another certificate, and forged MX records lead to a server of the attacker. For the destinations with most mail, or
those that you name, it shows whether mail would leak in cleartext, be delivered to the attacker, or be held; at the level in
force, and at the one that the evidence supports. No mail leaves the machine, and nothing is changed.

It knows of a destination what policy sync has stored. It ends with 3 if an attacker would get mail at the level in force.
`,
		RunE: func(_ *cobra.Command, args []string) error {
			if top < 1 {
				return cli.Misuse(hint.New("--top must be at least 1", "leave it out for 20"))
			}
			return a.policyDrill(args, top)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().IntVar(&top, "top", 20, "the `number` of destinations, those with most mail first")
	return cmd
}

func (a *app) policyDrill(args []string, top int) error {
	wanted, p, err := a.knownPolicies(args)
	if err != nil {
		return err
	}
	given := len(wanted) > 0
	wanted = p.counted(wanted)
	p.state.Know(wanted)
	views, err := p.views(p.names(wanted))
	if err != nil {
		return err
	}
	if len(views) == 0 {
		return cli.Misuse(hint.New("no destination is known", "name domains: postseal policy drill example.org"))
	}
	if !given {
		slices.SortStableFunc(views, func(a, b policy.View) int { return b.Messages - a.Messages })
		views = views[:min(len(views), top)]
	}
	out := make([]report.Drilled, len(views))
	var levels []string
	for i, v := range views {
		out[i] = report.Drilled{Domain: v.Domain, Messages: v.Messages, Now: report.Drill{Level: p.effective(v.Domain).Level}, Proposed: report.Drill{Level: v.Supported.Level}}
		if v.Supported.IsNone() || v.Own != "" {
			out[i].Proposed.Level = out[i].Now.Level
		}
		for _, level := range []string{out[i].Now.Level, out[i].Proposed.Level} {
			if slices.Contains(rehearse.Levels, level) && !slices.Contains(levels, level) {
				levels = append(levels, level)
			}
		}
	}
	tell, done := a.trying("playing attacks on a private Postfix")
	r, err := rehearse.Send(a.Ctx, p.Candidate(nil, nil), levels, rehearse.Destination{}, rehearse.Options{Guard: guard, Events: tell})
	done()
	if err != nil {
		return err
	}
	_, _, at := r.Table()
	played := func(server, level string) (policy.Trial, bool) {
		t, ok := at[[2]string{server, level}]
		return policy.Trial{Delivered: t.Outcome != rehearse.Held, Encrypted: t.Outcome != rehearse.InClear}, ok && t.Outcome != "" && !t.Unsettled
	}
	lost := false
	for i := range out {
		e := p.state.Evidence(out[i].Domain)
		for _, d := range []*report.Drill{&out[i].Now, &out[i].Proposed} {
			d.Fates = policy.Drill(e, d.Level, p.setting, p.Facts.Resolver.Validates == detect.Yes, played)
		}
		lost = lost || out[i].Now.Lost()
	}
	if a.JSON {
		data := p.json()
		data["drill"] = out
		err = a.Printer(a.Out).JSON(data)
	} else {
		a.Printer(a.Out).Drill(out)
		a.notInUse(p)
	}
	if err == nil && lost {
		return cli.ErrFindings
	}
	return err
}
