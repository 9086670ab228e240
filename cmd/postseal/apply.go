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
		Short: "Write the changes, reload Postfix, and verify every listener with a handshake",
		Long: `apply makes the plan, shows it, and carries it out. It locks the files as postconf -e does, backs them up, writes each in
one step, and reloads Postfix. Every listener must then show the intended certificate. If anything fails, apply restores
every file and verifies that too.

Before it writes anything, apply rehearses the plan on a private Postfix, as postseal rehearse does. A rehearsal that
fails, or that cannot run, is a risk that you must accept by name: failed-rehearsal or unrehearsed. --no-rehearsal skips
the rehearsal, and so does --files-only, which needs no Postfix.

With --confirm-within 10m, the run reverts after ten minutes unless you run postseal confirm first. A systemd timer, or a
separate process, reverts it even if this terminal is lost. A reboot ends both: the changes then stay until postseal
confirm or postseal undo, and postseal history says so.

A change that weakens the server, or that can stop mail, is a risk with a name. Accept it with --accept-risk NAME,...

A listener that did not answer before need not answer afterwards. The change stays, apply names what it could not verify,
and ends with 3 unless you pass --accept-risk unproved.
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
				return cli.Misuse(hint.New("the chain file would be on this machine, not in the image of "+s.ConfigDir+" is in",
					"run it inside the image: chroot IMAGE postseal apply --files-only; or name a folder that has the same path in both: --certs-dir"))
			}
			if err := checkWithin(o.within); err != nil {
				return err
			}
			if o.within > 0 && o.filesOnly {
				return cli.Misuse(hint.New("--confirm-within does not apply to --files-only", "leave one of them out"))
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
	f.StringVar(&o.plan, "plan", "", "apply the plan saved in this `file`")
	f.StringSliceVar(&o.accept, "accept-risk", nil, "accept these `names`, separated by commas")
	f.BoolVar(&o.yes, "yes", false, "do not ask")
	f.BoolVar(&o.filesOnly, "files-only", false, "write the files and do nothing else, for images and chroots")
	f.BoolVar(&o.unrehearsed, "no-rehearsal", false, "do not rehearse on a private Postfix first")
	f.DurationVar(&o.within, "confirm-within", 0, "revert after this `time` unless you run postseal confirm first")
	f.BoolVar(&o.finish, "finish", false, "finish an interrupted run")
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
	return cli.Misuse(hint.New("--finish completes the interrupted run as it was started, and cannot be combined with "+strings.Join(given, ", "), "leave that out; or undo the run with postseal undo, and apply again"))
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
