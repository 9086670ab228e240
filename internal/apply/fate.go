package apply

import (
	"errors"
	"fmt"
	"io/fs"

	"postseal/internal/hint"
	"postseal/internal/host"
)

// ErrLost: nothing says any more what became of a run, and nothing can take it
// back.
var ErrLost = errors.New("nothing takes it back any more")

// Fate is what became of a run that was in force, and waits no more. Without an
// error it is kept; an undo of it comes with ErrRolledBack.
func Fate(m host.Reader, stateDir, configDir, run string) (undo *Receipt, err error) {
	r, err := store{host.ReadOnly{Reader: m}, stateDir}.get(store{dir: stateDir}.receipt(run))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, lost(stateDir, configDir, run)
	}
	if err != nil || r.Phase == Kept {
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
	return nil, fmt.Errorf("run %s is %s, and no run says why", run, r.Phase)
}

func lost(stateDir, configDir, run string) error {
	return hint.Wrap(fmt.Errorf("%s is gone, or is another: the settings of run %s are in force, and %w", stateDir, run, ErrLost),
		"put that folder back, then: "+typed(stateDir, configDir, "undo")+"; without it, take the block out of main.cf by hand, and: "+hint.ShellLine([]string{"postfix", "-c", configDir, "reload"}))
}
