package main

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"postseal/cmd/cli"
	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/host"
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
		Short: "Show what apply would write, and why, without writing anything",
		Long: `plan shows the changes that apply would make as a diff, with the reason for each line. --out saves the plan, bound to
the files it was made from: apply --plan applies exactly that, or refuses. It ends with 3 if there are changes.
`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			a.settings.Flags = flags.given()
			p, s, err := a.makePlan()
			if err != nil {
				return err
			}
			if out != "" {
				if err := a.savePlan(s, p, out); err != nil {
					return err
				}
			}
			if err := a.showPlan(s, p, false); err != nil {
				return err
			}
			if err := apply.CannotReplace(a.Machine, p); err != nil && !a.JSON {
				a.Printer(a.Err).Note("apply would refuse this plan: " + err.Error() + ". " + hint.Of(err) + ".")
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
	s, err := a.openSettled(a.Machine)
	if err != nil {
		return nil, nil, err
	}
	p, err := s.PlanGiven()
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

func (a *app) savePlan(s *session.Session, p *plan.Plan, path string) error {
	if path == "-" {
		return cli.Misuse(hint.New("a plan is saved in a file", "give --out a name; --json prints the plan"))
	}
	if err := p.Save(a.Machine, path); err != nil {
		return hint.Wrap(err, cmp.Or(hint.Of(err), "choose another name for --out"))
	}
	if !a.JSON {
		a.Printer(a.Err).Note("saved in " + path + "; apply it with: " + hint.ShellLine(append(s.Verb("apply"), "--plan", path)))
	}
	return nil
}

// loadPlan reads a saved plan. It decides what is written, so that nobody but its owner
// may be able to change it.
func (a *app) loadPlan(path string) (*plan.Plan, error) {
	data, err := a.Machine.ReadOwn(path)
	if err != nil {
		return nil, fmt.Errorf("reading the plan: %w", err)
	}
	p, err := plan.Load(data)
	if err != nil {
		return nil, fmt.Errorf("reading the plan %s: %w", path, err)
	}
	return p, nil
}

// matchPlan makes the plan anew from the answers of a saved one, which must be that
// plan. Files that its maker was not allowed to read are left unread here too.
func (a *app) matchPlan(path string, saved *plan.Plan) (*plan.Plan, *session.Session, error) {
	a.settings.ConfigDir, a.settings.Flags = saved.ConfigDir, map[string][]string{}
	for key, texts := range saved.Answers {
		if _, known := interview.All.Lookup(key); !known {
			return nil, nil, fmt.Errorf("reading the plan %s: no question is named %.40q", path, key)
		}
		if len(texts) > 0 {
			a.settings.Flags[key] = texts
		}
	}
	var m host.Machine = a.Machine
	if unread := saved.Unread(); len(unread) > 0 {
		m = host.Deny{Machine: a.Machine, Paths: unread}
	}
	s, err := a.openSettled(m)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the plan %s: %w", path, err)
	}
	now, err := s.Plan(s.Answers)
	s.Machine, s.Facts.Root = a.Machine, a.Machine.UID() == 0
	if err != nil { // no fault of the command line: the server is another than it was
		err = hint.Wrap(fmt.Errorf("its answers are no longer valid: %v", err), hint.Of(err)) //nolint:errorlint // nor is it session.ErrAnswers
	} else {
		err = plan.Match(saved, now)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("applying the plan %s: %w", path, err)
	}
	return now, s, nil
}
