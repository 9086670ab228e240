package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"postseal/cmd/cli"
	"postseal/internal/hint"
	"postseal/internal/interview"
	"postseal/internal/plan"
	"postseal/internal/report"
	"postseal/internal/session"
)

func (a *app) planCmd() *cobra.Command {
	var flags answerFlags
	var out string
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what would be written, and why; nothing is written",
		Long: `plan makes the changes of apply and shows them as a diff, with the reason for each line. With --out the
plan is saved, bound to the files it was made from: apply --plan carries out exactly that, or refuses.
`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			a.settings.Flags = flags.given()
			p, s, err := a.makePlan()
			if err != nil {
				return err
			}
			if out != "" {
				if err := a.savePlan(p, out); err != nil {
					return err
				}
			}
			if err := a.showPlan(s, p, false); err != nil {
				return err
			}
			if !p.Empty() {
				return cli.ErrFindings
			}
			return nil
		},
	}
	flags.add(cmd, interview.All)
	cmd.Flags().StringVar(&out, "out", "", "save the plan in this `file`")
	return cmd
}

func (a *app) makePlan() (*plan.Plan, *session.Session, error) {
	s, err := a.open()
	if err != nil {
		return nil, nil, err
	}
	p, err := s.Plan(s.Answers)
	return p, s, err
}

func (a *app) showPlan(s *session.Session, p *plan.Plan, filesOnly bool) error {
	if !a.JSON {
		return a.Printer(a.Out).Plan(p, hint.ShellLine(s.UndoCommand()), filesOnly)
	}
	v, err := report.PlanJSON(p)
	if err != nil {
		return err
	}
	return a.Printer(a.Out).JSON(v)
}

func (a *app) savePlan(p *plan.Plan, path string) error {
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	if old, err := a.Machine.ReadFile(path); err == nil && !json.Valid(old) {
		return hint.New(path+" exists, and is no plan", "choose another name for --out")
	}
	if err := a.Machine.Replace(path, append(data, '\n'), 0o600); err != nil {
		return err
	}
	if !a.JSON {
		fmt.Fprintf(a.Err, "saved in %s; carry it out with: postseal apply --plan %s\n", path, path)
	}
	return nil
}

// loadPlan reads a saved plan.
func (a *app) loadPlan(path string) (*plan.Plan, error) {
	data, err := a.Machine.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the plan: %w", err)
	}
	var p plan.Plan
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, hint.Wrap(fmt.Errorf("reading the plan %s: %w", path, err), "make it with postseal plan --out FILE")
	}
	if p.Format != plan.Format {
		return nil, hint.New(fmt.Sprintf("the plan %s has format %d, this postseal reads %d", path, p.Format, plan.Format), "make it again: postseal plan --out FILE")
	}
	return &p, nil
}
