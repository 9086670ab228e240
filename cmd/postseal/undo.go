package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"postseal/cmd/cli"
	"postseal/internal/apply"
	"postseal/internal/detect"
	"postseal/internal/diff"
	"postseal/internal/hint"
	"postseal/internal/report"
	"postseal/internal/session"
)

func (a *app) undoCmd() *cobra.Command {
	var yes, filesOnly bool
	var run, accept string
	cmd := &cobra.Command{
		Use:   "undo",
		Short: "Undo the last run of apply: every file regains its previous content",
		Long: `undo reverts the latest run of apply in effect. It shows what that changes, reloads Postfix, and verifies that every
listener answers as it did before that run. Certificates obtained or renewed since then stay. Run undo again to undo the
run before. An interrupted run is always undone first.

undo refuses if a file was changed after the run, and leaves the file alone. There are two exceptions. From the answers
file, undo removes only what the run wrote. While a run waits to be confirmed, undo removes its change from each file as
it is now, and saves an edit of the same lines in a file beside it.

If Postfix is not running while a run waits to be confirmed, undo restores only the files. If the run was killed half
way, undo also starts Postfix, which may have stopped with it.

With --run ID (or its number, such as 7), undo reverts that run and no other, even if an undo of it was killed. If that
run has already reverted, there is nothing to do.

If the undo would restore a certificate that the published TLSA records do not authenticate, it ends with 4 until you
accept that risk by name.
`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			s, err := a.open()
			if err != nil && !errors.Is(err, session.ErrAnswers) && !errors.Is(err, detect.ErrRejected) {
				return err
			}
			run = apply.Named(a.Machine, a.stateDir(), run)
			if errors.Is(err, detect.ErrRejected) {
				if s, err = a.unread(err, run); err != nil {
					return err
				}
			}
			what, err := a.toUndo(s, run)
			if err != nil {
				return apply.InForce(err)
			}
			if p := s.Pending; run != "" && (p == nil || p.ID != run && p.Undoes != run) {
				if _, fate := apply.Fate(a.Machine, s.StateDir, what.ConfigDir, run); errors.Is(fate, apply.ErrRolledBack) {
					return a.nothingToUndo(what, fate)
				}
			}
			accepted, err := riskNames(accept)
			if err != nil {
				return err
			}
			if err := a.undoRisks(s, what, accepted); err != nil {
				return err
			}
			if !yes {
				if !a.JSON {
					fmt.Fprintf(a.Out, "%s %s of %s\n", what.Kind, what.ID, what.When.Local().Format("2006-01-02 15:04"))
					for _, e := range what.Entries {
						fmt.Fprintf(a.Out, "  %s\n", report.Clean(e.Path))
					}
					if err := a.showUndo(s, what); err != nil {
						return err
					}
				}
				if err := a.agree("Undo this?", "--yes"); err != nil {
					return err
				}
			}
			o := s.ApplyOptions()
			o.FilesOnly = filesOnly
			if !a.JSON {
				o.Events = a.Printer(a.Out).Step
			}
			r, err := apply.Undo(a.Ctx, a.Machine, s.ConfigDir, what.ID, o)
			if run != "" && errors.Is(err, apply.ErrNothing) { // meanwhile
				if _, fate := apply.Fate(a.Machine, s.StateDir, what.ConfigDir, run); fate != nil {
					return a.nothingToUndo(what, fate)
				}
			}
			return a.showReceipt(s, r, apply.InForce(err))
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().StringVar(&run, "run", "", "undo only the run with this `ID`; nothing to do if it is no longer in effect")
	cmd.Flags().StringVar(&accept, "accept-risk", "", "accept these `names`, separated by commas")
	_ = cmd.RegisterFlagCompletionFunc("run", a.completeRuns)
	cmd.Flags().BoolVar(&filesOnly, "files-only", false, "restore the files and do nothing else")
	return cmd
}

// undoRisks refuses an undo that brings back a certificate which senders with DANE would
// not accept now. A run that was interrupted, or that waits to be confirmed, goes back
// whatever is published.
func (a *app) undoRisks(s *session.Session, what *apply.Receipt, accepted []string) error {
	if s.Pending != nil || s.Net != nil {
		return nil
	}
	var names, texts []string
	for _, r := range s.UndoRisks(what) {
		if !slices.Contains(accepted, r.Name) {
			names, texts = append(names, r.Name), append(texts, r.Name+": "+r.Text)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return hint.Wrap(fmt.Errorf("%w: %s", apply.ErrRisk, strings.Join(texts, "; ")), "publish the record first (postseal publish), or accept it: --accept-risk "+strings.Join(slices.Compact(names), ","))
}

// showUndo prints what undoing a run would change in main.cf and master.cf as they are now.
func (a *app) showUndo(s *session.Session, what *apply.Receipt) error {
	earlier := what.Earlier(a.Machine, s.StateDir)
	for _, path := range slices.Sorted(maps.Keys(earlier)) {
		now, err := a.Machine.ReadFile(path)
		if err != nil {
			continue // undo says it
		}
		d, err := diff.Compare(path, string(now), earlier[path], nil)
		if err != nil {
			return err
		}
		a.Printer(a.Out).Diff(d)
	}
	return nil
}

// unread is a session with a server whose main.cf cannot be read, for a reason: an
// undo of what waits, or was interrupted, may be the cure.
func (a *app) unread(reason error, run string) (*session.Session, error) {
	s := session.Unread(a.Machine, a.settings)
	p, err := apply.Pending(a.Machine, s.StateDir)
	if err != nil {
		return nil, err
	}
	u, err := apply.Waiting(a.Machine, s.StateDir)
	if err != nil {
		return nil, err
	}
	of := ""
	switch {
	case p != nil && (run == "" || p.ID == run || p.Undoes == run):
		s.Pending, of = p, p.ConfigDir
	case u != nil && (run == "" || u.Run == run):
		of = u.ConfigDir
	}
	if of == "" || s.ConfigDir != "" && s.ConfigDir != of {
		return nil, reason
	}
	s.ConfigDir = of
	return s, nil
}

// nothingToUndo says that a run is in force no more that was to be taken back.
func (a *app) nothingToUndo(what *apply.Receipt, why error) error {
	if a.JSON {
		return a.Printer(a.Out).JSON(struct {
			Changed bool `json:"changed"`
			*apply.Receipt
		}{false, what})
	}
	a.Printer(a.Out).Undone(what.ID, why)
	return nil
}

// toUndo is the run that undo would take back: the one that is asked for, or the
// newest.
func (a *app) toUndo(s *session.Session, run string) (*apply.Receipt, error) {
	if run != "" {
		return apply.Record(a.Machine, s.StateDir, s.ConfigDir, run)
	}
	if s.Pending != nil {
		return s.Pending, nil
	}
	return apply.Newest(a.Machine, s.StateDir, s.ConfigDir)
}
