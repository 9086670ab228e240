package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postseal/cmd/cli"
	"postseal/internal/hint"
	"postseal/internal/policy"
	"postseal/internal/report"
)

func (a *app) policySyncCmd() *cobra.Command {
	var flags policyFlags
	var dryRun bool
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "sync [DOMAIN]...",
		Short: "Bring evidence and policy table up to date; for a timer",
		Long: `sync looks up what is due for the domains named, or else for all known ones and those to which mail went in the last 30
days of the log, and stores it. Then it changes the table where the evidence requires it. Entries that would defer mail for
no good reason are relaxed first and without a limit; of the new and stricter entries, at most --changes in one run.
Lookups beyond the time limit are left to the next run.

It never edits main.cf: postseal apply --policy evidence has Postfix read the table. With --dry-run nothing is written, and
it ends with 3 if changes are pending. Without, it ends with 3 if no server of a destination meets the level in force, or
mail waits in the queue because of TLS.
`,
		RunE: func(_ *cobra.Command, args []string) error { return a.policySync(args, flags, dryRun, limit) },
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "show the changes and write nothing; ends with 3 if there are any")
	cmd.Flags().DurationVar(&limit, "time-limit", 10*time.Minute, "stop looking things up after this `time`")
	cmd.Flags().Lookup("time-limit").DefValue = "10m"
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	return cmd
}

func (a *app) policySync(args []string, flags policyFlags, dryRun bool, limit time.Duration) error {
	err := flags.check()
	if err == nil && limit <= 0 {
		err = cli.Misuse(hint.New("--time-limit must be more than 0", "write 10m, or leave it out"))
	}
	if err != nil {
		return err
	}
	wanted, err := a.destinations(args, flags.from)
	if err != nil {
		return err
	}
	p, release, err := a.holdPolicies(&flags.rule)
	if err != nil {
		return err
	}
	defer release()
	if left := p.state.Know(p.counted(wanted)); left > 0 && !a.JSON {
		a.Printer(a.Err).Note(fmt.Sprintf("Destinations left out: %d. At most %d are kept.", left, policy.Most))
	}
	g, err := p.gatherer(flags.noHandshakes)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(a.Ctx, limit)
	g.Gather(ctx, p.state, p.names(wanted))
	cancel()
	if a.Ctx.Err() != nil { // what was found is worth keeping
		if !dryRun {
			err = p.store.Write(p.state)
		}
		return errors.Join(context.Cause(a.Ctx), err)
	}
	p.state.Rule = &flags.rule
	o, err := p.decide()
	if err != nil {
		return err
	}
	if dryRun {
		return a.policyDryRun(p, o)
	}
	held, queueErr := policy.Holdups(a.Ctx, a.Machine, p.Facts)
	if err := a.changePolicies(p, o, "sync", held); err != nil {
		return err
	}
	failing := p.failing()
	if !a.JSON {
		a.printFailing(p, failing)
		a.printHeld(p.Session, held, queueErr)
	}
	if len(failing)+len(held) > 0 {
		return cli.ErrFindings
	}
	return nil
}

// policyDryRun shows what sync would change.
func (a *app) policyDryRun(p *policies, o policy.Outcome) error {
	text, err := policy.Render(p.state.After(o), p.Facts.Config)
	if err != nil {
		return err
	}
	if a.JSON {
		out := p.json()
		out["changes"], out["waiting"], out["dry_run"] = o.Changes, o.Waiting, true
		err = a.Printer(a.Out).JSON(out)
	} else {
		a.printChanges(o, "No change is pending.")
	}
	if err == nil && (len(o.Changes) > 0 || !p.table.Holds(a.Ctx, a.Machine, p.ConfigDir, text)) {
		return cli.ErrFindings
	}
	return err
}

func (a *app) printChanges(o policy.Outcome, none string) {
	a.Printer(a.Out).PolicyChanges(o.Changes)
	if len(o.Changes) == 0 {
		fmt.Fprintln(a.Out, none)
	}
	if n := len(o.Waiting); n > 0 {
		fmt.Fprintf(a.Out, "Waiting for the next run, by --changes: %d.\n", n)
	}
}

// holdPolicies opens what is stored for a change of it.
func (a *app) holdPolicies(rule *policy.Rule) (p *policies, release func(), err error) {
	if p, err = a.openPolicies(rule); err != nil {
		return nil, nil, err
	}
	unlock, err := p.store.Lock()
	if err != nil {
		return nil, nil, err
	}
	release = func() { _ = unlock() }
	if err = p.read(rule); err == nil { // as it is now that nobody else writes
		err = p.lost()
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	return p, release, nil
}

// lost fails if the table has entries that no state accounts for: without its evidence, the
// next change would remove them all, and mail would be protected less.
func (p *policies) lost() error {
	stored, err := p.store.Stored()
	if err != nil || stored {
		return err
	}
	n, err := p.table.Entries(p.Machine)
	if err != nil || n == 0 {
		return err
	}
	return hint.New(fmt.Sprintf("%s has entries (%d), but the evidence that they rest on is gone: %s is missing; the table is unchanged", p.table.Path, n, p.store.Path),
		"restore that file from a backup; or, to begin again without these entries, remove the table: "+hint.ShellLine(append([]string{"rm"}, p.table.Files()...)))
}

// changePolicies puts an outcome into the table and then into the state. A run that is
// killed in between is made again by the next one. held is the mail that waits because of
// TLS; nil if the queue was not read.
func (a *app) changePolicies(p *policies, o policy.Outcome, what string, held []policy.Holdup) error {
	entries := p.state.After(o)
	text, err := policy.Render(entries, p.Facts.Config)
	if err != nil {
		return err
	}
	none := "The table is up to date: nothing has changed."
	if !p.table.Holds(a.Ctx, a.Machine, p.ConfigDir, text) {
		if err := p.store.Write(p.state); err != nil { // what a table rests on is there before it
			return err
		}
		if none = "No entry has changed. The table did not hold what is recorded, and was written again."; !p.table.Built(a.Machine) {
			none = "No entry has changed. The table was created."
		}
		if err := p.table.Install(a.Ctx, a.Machine, p.ConfigDir, text); err != nil {
			return hint.Wrap(fmt.Errorf("the table is unchanged: %w", err), hint.Of(err))
		}
	}
	run := p.state.Apply(o, what, p.now)
	if err := p.store.Write(p.state); err != nil {
		return err
	}
	if run != nil && p.table.Type == "texthash" && p.inUse() {
		if err := a.rereadPolicies(p); err != nil {
			return err
		}
	}
	if a.JSON {
		out := p.json()
		out["changes"], out["waiting"], out["run"], out["dry_run"] = o.Changes, o.Waiting, 0, false
		if run != nil {
			out["run"] = run.ID
		}
		if held != nil {
			out["held_by_tls"] = held
		}
		return a.Printer(a.Out).JSON(out)
	}
	a.printChanges(o, none)
	if run != nil {
		fmt.Fprintf(a.Out, "Run %d changed %s. To undo it: %s\n", run.ID, report.Clean(p.table.Name()), hint.ShellLine(p.Verb("policy", "undo")))
	}
	a.notInUse(p)
	return nil
}

// failing are the destinations whose servers do not meet the level in force.
func (p *policies) failing() (out []policy.View) {
	all, _ := p.views(nil) // the error came before
	for _, v := range all {
		if v.Entry != nil && v.Own == "" && !v.Failing.IsZero() && p.inUse() {
			out = append(out, v)
		}
	}
	return out
}

func (a *app) printFailing(p *policies, failing []policy.View) {
	for _, v := range failing {
		a.Printer(a.Out).Note(fmt.Sprintf("No server of %s has met level %s since %s UTC: mail may be waiting. See %s", v.Domain, v.Entry.Level, v.Failing.UTC().Format("2006-01-02 15:04"), hint.ShellLine(p.Verb("why", v.Domain))))
	}
}

// rereadPolicies has Postfix read a table of a type whose changes it does not notice.
func (a *app) rereadPolicies(p *policies) error {
	o, err := a.Machine.Act(a.Ctx, "postfix", "-c", p.ConfigDir, "reload")
	if err == nil && o.Code != 0 {
		err = fmt.Errorf("postfix reload ended with %d: %.200s", o.Code, strings.TrimSpace(o.Stderr))
	}
	if err == nil {
		return nil
	}
	return hint.Run(err, "the table is written; once Postfix runs", []string{"postfix", "-c", p.ConfigDir, "reload"})
}

// knownPolicies reads what is stored, for the destinations of the command line.
func (a *app) knownPolicies(args []string) ([]policy.Destination, *policies, error) {
	wanted, err := a.destinations(args, "")
	if err != nil {
		return nil, nil, err
	}
	p, err := a.openPolicies(nil)
	if err == nil {
		err = p.lost()
	}
	return wanted, p, err
}

func (a *app) policyListCmd() *cobra.Command {
	var evidence bool
	cmd := &cobra.Command{
		Use:   "list [DOMAIN]...",
		Short: "List what is in force and what is proposed, with the reasons",
		Long: `list shows all destinations that are known, or only those named: the entry in force, what is proposed, and what that waits
for. It looks nothing up.
`,
		RunE: func(_ *cobra.Command, args []string) error {
			wanted, p, err := a.knownPolicies(args)
			if err != nil {
				return err
			}
			var names []string
			for _, d := range wanted {
				names = append(names, d.Name)
			}
			views, err := p.views(names)
			if err != nil {
				return err
			}
			if a.JSON {
				out := p.json()
				out["domains"], out["runs"] = views, append([]policy.Run{}, p.state.Runs...)
				return a.Printer(a.Out).JSON(out)
			}
			if len(views) == 0 {
				fmt.Fprintln(a.Out, "No destination is known yet. To add some: "+hint.ShellLine(p.Verb("policy", "sync"))+" DOMAIN...")
			}
			for _, v := range views {
				a.Printer(a.Out).Policies([]policy.View{v}, p.inUse(), p.setting.Rule, p.now)
				if evidence {
					a.Printer(a.Out).PolicyEvidence(v, p.now)
				}
			}
			a.notInUse(p)
			return nil
		},
	}
	cmd.Flags().BoolVar(&evidence, "evidence", false, "show also what each level rests on")
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	return cmd
}
