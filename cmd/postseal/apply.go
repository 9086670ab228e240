package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"postseal/cmd/cli"
	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/interview"
	"postseal/internal/plan"
	"postseal/internal/session"
)

func (a *app) applyCmd() *cobra.Command {
	var flags answerFlags
	var o struct {
		plan                   string
		accept                 []string
		yes, filesOnly, finish bool
		unrehearsed            bool
		within                 time.Duration
	}
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Write the changes, reload Postfix, and prove them by handshakes",
		Long: `apply makes the plan, shows it, and carries it out: files are locked as postconf -e locks them, backed up,
written in one step each, Postfix is reloaded, and every listener must then show the intended certificate. If
anything fails, every file is put back, and that is proved too.

Before anything is written, it is played on a private Postfix, as rehearse does. What fails there, or cannot be played,
is a risk to be accepted by its name: failed-rehearsal, unrehearsed. --no-rehearsal leaves it out, and so does
--files-only, which needs no Postfix.

With --confirm-within 10m everything is put back after ten minutes unless postseal confirm comes before. What puts it
back is a timer of systemd, or a process of its own: it does so even if this terminal is lost. A restart of the machine
ends both; the run stays then until postseal confirm or undo, and history says so.

What weakens the server or can stop mail has a name and must be accepted by it: --accept-risk NAME,...

A listener that answered nobody before need not answer afterwards: the change stays, what was not proved is named, and
apply ends with 3, unless that was accepted: --accept-risk unproved.
`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.settings.Flags = flags.given()
			if o.finish {
				if err := finishAlone(cmd); err != nil {
					return err
				}
				return a.finishRun()
			}
			accept, err := riskNames(strings.Join(o.accept, ","))
			if err != nil {
				return err
			}
			p, s, err := a.planToApply(o.plan)
			if err != nil {
				return err
			}
			if s.Net != nil { // also if there is nothing to do: it would not stay so
				return s.Net.Err(s.StateDir, a.Machine.Now())
			}
			if o.filesOnly && plan.Instance(s.ConfigDir) != "" && a.settings.CertsDir == "" {
				return cli.Misuse(hint.New("the chain file would lie on this machine, and not in the image that "+s.ConfigDir+" is in",
					"run it inside the image: chroot IMAGE postseal apply --files-only; or name a folder that has the same path in both: --certs-dir"))
			}
			if err := checkWithin(o.within); err != nil {
				return err
			}
			if o.within > 0 && o.filesOnly {
				return cli.Misuse(hint.New("--confirm-within is not for files alone, which are not tried", "leave one of them out"))
			}
			options := s.ApplyOptions()
			options.Accept, options.FilesOnly = accept, o.filesOnly
			if o.unrehearsed {
				options.Rehearse = nil
			}
			if options.Net, err = a.net(s, o.within); err != nil {
				return err
			}
			return a.applyPlan(s, p, options, o.yes)
		},
	}
	flags.add(cmd, interview.All)
	f := cmd.Flags()
	f.StringVar(&o.plan, "plan", "", "carry out the plan saved in this `file`")
	f.StringSliceVar(&o.accept, "accept-risk", nil, "accept these `names`, separated by commas")
	f.BoolVar(&o.yes, "yes", false, "do not ask")
	f.BoolVar(&o.filesOnly, "files-only", false, "write the files and nothing else: for images and chroots")
	f.BoolVar(&o.unrehearsed, "no-rehearsal", false, "do not try it on a private Postfix first")
	f.DurationVar(&o.within, "confirm-within", 0, "put everything back after this `time` unless postseal confirm comes before")
	f.BoolVar(&o.finish, "finish", false, "bring an interrupted run to its end")
	_ = cmd.RegisterFlagCompletionFunc("accept-risk", cobra.FixedCompletions(plan.RiskNames, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// finishAlone refuses what --finish would not heed: an interrupted run goes on as
// it was begun.
func finishAlone(cmd *cobra.Command) error {
	var given []string
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Changed && f.Name != "finish" && f.Name != "yes" {
			given = append(given, "--"+f.Name)
		}
	})
	if len(given) == 0 {
		return nil
	}
	return cli.Misuse(hint.New("--finish goes on with the interrupted run as it was begun: not with "+strings.Join(given, ", "), "leave that out; or take the run back with postseal undo, and apply anew"))
}

// riskNames splits and checks the names of risks.
func riskNames(list string) ([]string, error) {
	var out []string
	for _, name := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		if !slices.Contains(plan.RiskNames, name) {
			return nil, cli.Misuse(hint.New(fmt.Sprintf("no risk is named %.40q", name), "the names are "+strings.Join(plan.RiskNames, ", ")))
		}
		out = append(out, name)
	}
	return out, nil
}

// planToApply loads a saved plan, or makes one.
func (a *app) planToApply(saved string) (*plan.Plan, *session.Session, error) {
	if saved != "" {
		p, err := a.loadPlan(saved)
		if err != nil {
			return nil, nil, err
		}
		if len(a.settings.Flags) > 0 || a.settings.AnswersFile != "" {
			return nil, nil, cli.Misuse(hint.New("a saved plan has its own answers", "leave out --plan, or the answers"))
		}
		if dir := a.settings.ConfigDir; dir != "" && dir != p.ConfigDir {
			return nil, nil, cli.Misuse(hint.New(fmt.Sprintf("the plan is for %s, and --config-dir names %s", p.ConfigDir, dir), "leave out --config-dir, or make a plan for that directory"))
		}
		return a.matchPlan(saved, p)
	}
	return a.makePlan()
}

func (a *app) applyPlan(s *session.Session, p *plan.Plan, o apply.Options, yes bool) error {
	if !a.JSON {
		if err := a.showPlan(s, p, o.FilesOnly); err != nil {
			return err
		}
	}
	if p.Empty() {
		if _, err := apply.Run(a.Ctx, a.Machine, p, o); err != nil {
			return err
		}
		if a.JSON {
			return a.Printer(a.Out).JSON(struct {
				Changed bool `json:"changed"`
			}{})
		}
		return nil
	}
	if s != nil && s.Facts.Root {
		if err := s.Keeper().Remember(s.Facts.DANE); err != nil {
			return err
		}
	}
	if len(p.Unaccepted(o.Accept)) == 0 && !yes {
		if err := a.agree("Apply this?", "--yes"); err != nil {
			return err
		}
	}
	if !a.JSON {
		fmt.Fprintln(a.Out)
		o.Events = a.Printer(a.Out).Step
	}
	r, err := apply.Run(a.Ctx, a.Machine, p, o)
	if err := a.showReceipt(s, r, err); err != nil {
		return err
	}
	if !a.JSON && !r.ConfirmBy.IsZero() && a.OnTerminal() {
		if err := a.watchRun(s, r); err != nil {
			return err
		}
	}
	if r.Unproved() != "" && !slices.Contains(o.Accept, plan.RiskUnproved) {
		return cli.ErrFindings
	}
	return nil
}

// showReceipt prints what a run did. An error is still an error.
func (a *app) showReceipt(s *session.Session, r *apply.Receipt, err error) error {
	if a.JSON {
		if err != nil {
			return err
		}
		return a.Printer(a.Out).JSON(struct {
			Changed bool `json:"changed"`
			*apply.Receipt
		}{true, r})
	}
	if r != nil {
		a.Printer(a.Out).Receipt(r, hint.ShellLine(s.UndoCommand()))
	}
	return err
}

// finishRun brings an interrupted run to its end.
func (a *app) finishRun() error {
	s, err := a.open()
	if err != nil && !errors.Is(err, session.ErrAnswers) {
		return err
	}
	o := s.ApplyOptions()
	if !a.JSON {
		o.Events = a.Printer(a.Out).Step
	}
	r, err := apply.Finish(a.Ctx, a.Machine, o)
	return a.showReceipt(s, r, err)
}
