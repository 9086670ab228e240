package apply

import (
	"errors"
	"fmt"
	"io/fs"

	"postseal/internal/hint"
	"postseal/internal/host"
)

// ErrLost: nothing says any more what became of a run, so nobody can take it back.
var ErrLost = errors.New("cannot be taken back as long as that is so")

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
		return nil, lost(stateDir, stateDir, configDir, run)
	case err != nil || r.settled():
		return nil, err
	}
	return r, nil
}

// Fate is what became of a run that was in force, and waits no more. Without an
// error it is kept; an undo of it comes with ErrRolledBack.
func Fate(m host.Reader, stateDir, configDir, run string) (undo *Receipt, err error) {
	r, err := undecided(m, stateDir, configDir, run)
	if err != nil {
		return nil, err
	}
	s := store{host.ReadOnly{Reader: m}, stateDir}
	if r != nil {
		return nil, lost(s.net(), stateDir, configDir, run)
	}
	if r, err = s.get(s.receipt(run)); err != nil || r.Phase == Kept {
		return nil, err
	}
	all, err := History(m, stateDir, r.ConfigDir)
	if err != nil {
		return nil, err
	}
	for _, undo := range all {
		if undo.Undoes == run && undo.Phase == Kept {
			why := undo.Why
			if why == "" {
				why = "it was undone by run " + undo.ID
			}
			return undo, fmt.Errorf("%w: %s", ErrRolledBack, why)
		}
	}
	return nil, fmt.Errorf("%w: %s", ErrRolledBack, r.Failure)
}

// Record is that of a run in the history of a state folder; an error if there is none.
func Record(m host.Reader, stateDir, run string) (*Receipt, error) {
	p, err := Pending(m, stateDir)
	if err != nil || p != nil && p.ID == run {
		return p, err
	}
	all, err := History(m, stateDir, "")
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if r.ID == run {
			return r, nil
		}
	}
	return nil, hint.New(fmt.Sprintf("there is no run %.40q in %s", run, stateDir), typed(stateDir, "", "history")+" lists all runs")
}

// lost is the error about a run of which what is not there.
func lost(what, stateDir, configDir, run string) error {
	return hint.Wrap(fmt.Errorf("%s is gone, or is another: the settings of run %s are in force, and %w", what, run, ErrLost),
		"put it back: the run goes back when its time is up, or at once by: "+undoing(stateDir, configDir, run)+
			"; without it, take the block out of main.cf by hand, and: "+hint.ShellLine([]string{"postfix", "-c", configDir, "reload"}))
}
