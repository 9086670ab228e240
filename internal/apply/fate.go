package apply

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"postseal/internal/hint"
	"postseal/internal/host"
)

// InForce makes of an error about a lost run one that it was not taken back as well:
// for somebody who wanted that, or watches it.
func InForce(err error) error {
	if !errors.Is(err, ErrLost) {
		return err
	}
	return inForce{err}
}

// inForce is an error that is an ErrNotRolledBack, and says what it says.
type inForce struct{ error }

func (inForce) Is(target error) bool { return target == ErrNotRolledBack }
func (i inForce) Unwrap() error      { return i.error }

// ErrLost: nothing says any more what became of a run, so nobody can take it back.
var ErrLost = errors.New("it cannot be undone until that is corrected")

// settled says of a run at its end whether it stays, or is taken back; else it
// goes back by itself unless it is confirmed.
func (r *Receipt) settled() bool {
	return r.Phase != Kept || r.Confirmed || r.ConfirmBy.IsZero()
}

// undecided is the record of a run that is not settled, or not at its end; nil if
// it is. Only what the run and who decided on it have recorded counts: that
// something is not there, in a folder that is gone, or is another, or comes back
// piece by piece, decides nothing.
func undecided(m host.Reader, stateDir, configDir, run string) (*Receipt, error) {
	p, err := Pending(m, stateDir) // first: it goes when the receipt stands
	if err != nil || p != nil && p.ID == run {
		return p, err
	}
	s := store{host.ReadOnly{Reader: m}, stateDir}
	r, err := s.get(s.receipt(run))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, lost(m, stateDir, configDir, run)
	case err != nil || r.settled():
		return nil, err
	}
	return r, nil
}

// Fate is what became of a run that was in force. Without an error it is kept; one
// that was taken back is an ErrRolledBack, with the undo of it if that was one.
func Fate(m host.Reader, stateDir, configDir, run string) (undo *Receipt, err error) {
	r, err := undecided(m, stateDir, configDir, run)
	if err != nil {
		return nil, err
	}
	if r != nil {
		return nil, fmt.Errorf("run %s is %w", run, ErrUnconfirmed)
	}
	s := store{host.ReadOnly{Reader: m}, stateDir}
	if r, err = s.get(s.receipt(run)); err != nil || r.Phase == Kept {
		return nil, err
	}
	all, err := History(m, stateDir, r.ConfigDir)
	if err != nil {
		return nil, err
	}
	for _, undo := range all {
		if undo.Undoes == run && undo.Phase == Kept && undo.Why == "" {
			return undo, undone{undo.ID}
		}
		if undo.Undoes == run && undo.Phase == Kept {
			return undo, fmt.Errorf("%w: %s", ErrRolledBack, undo.Why)
		}
	}
	why := r.Failure
	if why == "" {
		why = "the reason is not recorded"
	}
	return nil, fmt.Errorf("%w: %s", ErrRolledBack, why)
}

// decided says what was decided of a run that somebody wants kept, if another waits,
// which is u, or none: nil if it is kept, and there is no other that he may have meant.
func decided(m host.Reader, stateDir, configDir, run string, u *Unconfirmed) error {
	r, err := Record(m, stateDir, "", run)
	switch {
	case err == nil && configDir != "" && r.ConfigDir != configDir:
		err = hint.New(fmt.Sprintf("run %s is of %s", run, r.ConfigDir), "for that: "+typed(stateDir, r.ConfigDir, "confirm", "--run", run))
	case err == nil:
		if _, fate := Fate(m, stateDir, r.ConfigDir, run); fate != nil {
			err = hint.Wrap(fmt.Errorf("run %s is not in effect: %w", run, fate), typed(stateDir, "", "history")+" lists all runs")
		}
	}
	if u == nil {
		return err
	}
	other := "; the run that waits to be confirmed is " + u.Run
	if err == nil {
		return hint.New("run "+run+" is already confirmed"+other, u.Ways(stateDir))
	}
	return hint.Wrap(fmt.Errorf("%w%s", err, other), u.Ways(stateDir))
}

// undone is the ErrRolledBack of a run that somebody took back.
type undone struct{ by string }

func (u undone) Error() string      { return "it was undone by run " + u.by }
func (undone) Is(target error) bool { return target == ErrRolledBack }

// Record is that of a run that was asked for by its ID, interrupted or not; an
// error if it is none that can be taken back on this instance, or on any if
// configDir is empty.
func Record(m host.Reader, stateDir, configDir, run string) (*Receipt, error) {
	r, err := Pending(m, stateDir)
	if err != nil {
		return nil, err
	}
	s := store{host.ReadOnly{Reader: m}, stateDir}
	interrupted := r != nil && r.ID == run
	if !interrupted {
		r, err = s.get(s.receipt(filepath.Base(run)))
	}
	if err == nil && r.ID != run { // what was typed is a path
		err = fs.ErrNotExist
	}
	all := typed(stateDir, "", "history") + " lists all runs"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if u, err := Waiting(m, stateDir); err == nil && u != nil && u.Run == run {
			return nil, lost(m, stateDir, configDir, run)
		}
		return nil, hint.New(fmt.Sprintf("there is no run %.40q in %s", run, stateDir), all)
	case err != nil:
		return nil, remedy(m, s.receipt(run), err)
	case r.Kind != "apply" && !interrupted:
		return nil, hint.New(fmt.Sprintf("run %s is of kind %s: only an apply can be undone", r.ID, r.Kind), all)
	case configDir != "" && r.ConfigDir != configDir:
		return nil, hint.New(fmt.Sprintf("run %s is of %s", r.ID, r.ConfigDir), undoing(stateDir, r.ConfigDir, r.ID))
	}
	return r, nil
}

// lost is the error about a run of which nothing is recorded.
func lost(m host.Reader, stateDir, configDir, run string) error {
	what := stateDir
	if !gone(m, filepath.Join(stateDir, "lock")) {
		what = store{dir: stateDir}.receipt(run)
	}
	without := "the files that it replaced are lost: correct main.cf by hand"
	if backups := (store{dir: stateDir}).backups(run); !gone(m, backups) {
		without = "the files that it replaced are old-0, old-1 and so on in " + backups + " (identify them by their content; files that the run created have none): restore them by hand"
	}
	return hint.Wrap(fmt.Errorf("%s is missing: the settings of run %s are in effect, and %w", what, run, ErrLost),
		"restore it, then: "+undoing(stateDir, configDir, run)+"; without it, "+without+", and: "+hint.ShellLine([]string{"postfix", "-c", configDir, "reload"}))
}
