package main

import (
	"bufio"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"postseal/cmd/cli"
	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/report"
	"postseal/internal/session"
)

// revertVerb is the hidden verb of what takes an unconfirmed run back.
const revertVerb = "revert-unconfirmed"

func (a *app) confirmCmd() *cobra.Command {
	var run string
	cmd := &cobra.Command{
		Use:   "confirm",
		Short: "Confirm the run that otherwise reverts automatically (apply --confirm-within)",
		Long: `confirm keeps the changes of apply --confirm-within and of the wizard. Without it, the run reverts when its time is up,
even if the terminal that started it is closed.
`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			u, err := apply.Confirm(a.Ctx, a.Machine, a.stateDir(), a.settings.ConfigDir, run)
			if errors.Is(err, apply.ErrRolledBack) { // not by this: it only comes too late
				return hint.New(err.Error(), hint.Of(err))
			}
			if err != nil {
				return err
			}
			if a.JSON {
				return a.Printer(a.Out).JSON(u)
			}
			a.Printer(a.Out).Kept(u.Run)
			return nil
		},
	}
	cmd.Flags().StringVar(&run, "run", "", "confirm only the run with this `ID`, and no other")
	_ = cmd.RegisterFlagCompletionFunc("run", a.completeRuns)
	return cmd
}

// stateDir is where state lies, for verbs that do not look at the server.
func (a *app) stateDir() string {
	if a.settings.StateDir != "" {
		return a.settings.StateDir
	}
	return session.DefaultStateDir
}

func (a *app) revertCmd() *cobra.Command {
	var run string
	var after time.Duration
	cmd := &cobra.Command{
		Use:    revertVerb,
		Hidden: true,
		Short:  "Revert a run unless it was confirmed",
		Args:   cli.UsageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			callSelf("postseal-revert")
			_, err := apply.Revert(a.Ctx, a.Machine, a.settings.ConfigDir, run, after, apply.Options{StateDir: a.stateDir()})
			return err
		},
	}
	cmd.Flags().StringVar(&run, "run", "", "the `ID` of the run")
	cmd.Flags().DurationVar(&after, "after", 0, "wait this long first")
	return cmd
}

// watchRun shows on the terminal what Postfix logs, until the run is kept, put
// back, or has gone back by itself.
func (a *app) watchRun(s *session.Session, r *apply.Receipt) error {
	f, readable := apply.NewFollow(a.Ctx, a.Machine, s.ApplyOptions())
	answers := make(chan string)
	go func() {
		lines := bufio.NewScanner(a.In)
		for lines.Scan() {
			answers <- strings.ToLower(strings.TrimSpace(lines.Text()))
		}
		close(answers)
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	width := max(20, a.Printer(a.Out).Width-1) // in the last column the cursor would go on to the next line
	say := func(text string) {
		fmt.Fprintf(a.Out, "\r%-*s\r%s\n", width, "", strings.Join(report.Wrap(report.Clean(text), width), "\n"))
	}
	said := map[string]bool{}
	once := func(kind, text string) {
		if !said[kind] {
			said[kind] = true
			say(text)
		}
	}
	if u, err := apply.Waiting(a.Machine, s.StateDir); err == nil && u != nil && u.Trouble != "" {
		say("Reverting restores a state that already had problems: " + u.Trouble)
	}
	const keys = "Type y and Enter to confirm, n and Enter to undo."
	say(keys)
	for {
		select {
		case <-a.Ctx.Done():
			fmt.Fprintln(a.Out)
			return hint.New("not confirmed: it "+a.stands(r), hint.ShellLine(append(s.Verb("confirm"), "--run", r.ID))+" confirms it")
		case answer, open := <-answers:
			switch {
			case !open:
				answers = nil // no more to come; the net stays
			case answer == "y" || answer == "yes":
				u, err := apply.Confirm(a.Ctx, a.Machine, s.StateDir, s.ConfigDir, r.ID)
				if err == nil {
					a.Printer(a.Out).Kept(u.Run)
					return nil
				}
				if errors.Is(err, apply.ErrRolledBack) {
					return err
				}
				a.Printer(a.Out).Errors(err)
				say("Not confirmed yet: type y and Enter to try again.")
			case answer == "n" || answer == "no":
				o := s.ApplyOptions()
				o.Events = a.Printer(a.Out).Step
				back, err := apply.PutBack(a.Ctx, a.Machine, s.ConfigDir, r.ID, o)
				if err == nil || errors.Is(err, apply.ErrNotRolledBack) {
					return a.showReceipt(s, back, err)
				}
				if u, unread := apply.Waiting(a.Machine, s.StateDir); unread == nil && (u == nil || u.Run != r.ID) {
					return a.settled(r)
				}
				a.Printer(a.Out).Errors(err)
				say(fmt.Sprintf("Could not be reverted: run %s is in effect, and %s.", r.ID, a.stands(r)))
			case answer != "":
				say(keys)
			}
		case <-tick.C:
			u, err := apply.Waiting(a.Machine, s.StateDir)
			if err != nil {
				continue // it may be readable again, and y and n say why
			}
			if u == nil || u.Run != r.ID {
				fmt.Fprintln(a.Out)
				return a.settled(r)
			}
			alone := answers == nil // nobody is there, and nothing will come of what has ended
			if u.Failure != "" && u.Again.IsZero() || alone && u.Ended {
				fmt.Fprintln(a.Out)
				return hint.Wrap(fmt.Errorf("%w: run %s %s", apply.ErrNotRolledBack, u.Run, u.Stands(a.Machine.Now())), u.Ways(s.StateDir))
			}
			if alone && u.Lost() {
				fmt.Fprintln(a.Out)
				return apply.InForce(u.Err(s.StateDir, a.Machine.Now()))
			}
			left := fmt.Sprintf("%s left  ", max(0, time.Until(u.By)).Round(time.Second))
			if u.Astray(a.Machine.Now()) {
				left = ""
				stands := u.Stands(a.Machine.Now())
				once(stands, "It "+stands+".")
			}
			if readable && f.Poll(a.Ctx) == nil {
				left += report.Tally(f.Now)
				if why := f.Now.Worse(f.Before); why != "" {
					kind := strings.Map(func(r rune) rune { // a count that has grown is nothing new
						if unicode.IsDigit(r) {
							return -1
						}
						return r
					}, why)
					once(kind, "Worse than before: "+why+". Press n to undo.")
				}
			}
			line := report.Clean(left)
			for utf8.RuneCountInString(line) >= width && strings.Contains(line, ", ") { // a whole count less
				line = line[:strings.LastIndex(line, ", ")]
			}
			fmt.Fprintf(a.Out, "\r%-*s\r%s ", width, "", line) // what is typed stands behind it
		}
	}
}

// stands says in words how a run stands that waits to be confirmed.
func (a *app) stands(r *apply.Receipt) string {
	if u, err := apply.Waiting(a.Machine, a.stateDir()); err == nil && u != nil && u.Run == r.ID {
		return u.Stands(a.Machine.Now())
	}
	return apply.GoesBack(r.ConfirmBy)
}

// settled says what became of a run that waits no more.
func (a *app) settled(r *apply.Receipt) error {
	_, err := apply.Fate(a.Machine, a.stateDir(), r.ConfigDir, r.ID)
	if err == nil {
		a.Printer(a.Out).Kept(r.ID)
	}
	return apply.InForce(err)
}

// checkWithin refuses a time in which nobody can confirm.
func checkWithin(d time.Duration) error {
	if d == 0 || d >= 5*time.Second {
		return nil
	}
	return cli.Misuse(hint.New("--confirm-within must be at least 5s", "use --confirm-within 10m"))
}

// net is what takes the run back that this command line makes.
func (a *app) net(s *session.Session, within time.Duration) (*apply.Net, error) {
	if within == 0 {
		return nil, nil
	}
	command := a.revertCommand()
	if command == nil {
		return nil, errors.New("postseal cannot determine its own path, so nothing could revert the run")
	}
	return &apply.Net{Within: within, Command: append(command, "--config-dir", s.ConfigDir, "--state-dir", s.StateDir)}, nil
}

// revertCommand is the command line of revertCmd, or nil.
func (a *app) revertCommand() []string {
	if self == "" {
		return nil
	}
	return []string{self, revertVerb}
}
