package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"postseal/internal/hint"
	"postseal/internal/host"
)

// PutBack takes a run back that waits to be confirmed, and never an earlier one:
// it may have gone back by itself meanwhile, or be kept, which is an error then.
func PutBack(ctx context.Context, m host.Machine, configDir, run string, o Options) (*Receipt, error) {
	o.locked = stillWaits(m, configDir, run, o)
	r, err := Undo(ctx, m, configDir, run, o)
	if !errors.Is(err, errSettled) {
		return r, err
	}
	if _, err = Fate(m, o.StateDir, configDir, run); err == nil {
		err = hint.New("run "+run+" is kept", undoing(o.StateDir, configDir, run)+" undoes it")
	}
	return nil, err
}

// busyTime bounds how long is waited for another run to end.
const busyTime = 2 * time.Minute

// pauses are those between the attempts to take a run back: what stands in the
// way, such as a full disc or an editor's lock, may go.
var pauses = []time.Duration{5 * time.Second, 15 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute}

// Revert takes a run back if it still waits to be confirmed, after the time is
// up; a run that was killed half way is taken back too. It returns nil and no
// receipt if there is nothing to do. Nobody may be there to read what it returns:
// a failure is recorded, logged where the mail is, and the attempt repeated. So
// it is while the state folder is gone, or is another: it may come back. If the
// instance is gone with it, there is nothing left to take back.
func Revert(ctx context.Context, m host.Machine, configDir, run string, after time.Duration, o Options) (*Receipt, error) {
	begun, missed := time.Now(), false
	log := func(priority, text string) { tellLog(ctx, m, configDir, run, priority, text) }
	for tries := 0; ; {
		u, err := undecided(m, o.StateDir, configDir, run)
		if err == nil && u == nil || err != nil && gone(m, configDir) {
			return nil, nil
		}
		if err != nil && !missed {
			missed = true
			log("warn", "waits to be confirmed, and cannot be reverted until this is corrected: "+err.Error())
		}
		if time.Since(begun) >= after {
			var r *Receipt
			if err == nil {
				r, err = takeBack(ctx, m, u, o)
			}
			if err == nil {
				if r != nil {
					log("warn", "was not confirmed in time, and is being reverted")
				}
				return r, nil
			}
			var again time.Time
			if tries < len(pauses) && ctx.Err() == nil {
				begun, after = time.Now(), pauses[tries]
				again = m.Now().Add(after).UTC()
			}
			way := undoing(o.StateDir, configDir, run)
			if first := hint.Of(err); first != "" && !strings.Contains(first, way) {
				way = first + "; then: " + way
			} else if first != "" {
				way = first
			}
			log("error", "was not confirmed in time, and cannot be reverted; its settings are in effect. What to do: "+way+". Why: "+err.Error())
			record(m, run, o, func(u *Unconfirmed) {
				u.Failure, u.Again = strings.Join(strings.Fields(err.Error()), " "), again
			})
			if again.IsZero() {
				return r, err
			}
			tries++
		}
		select {
		case <-ctx.Done():
			if u, err := undecided(m, o.StateDir, configDir, run); err == nil && u == nil {
				return nil, nil
			}
			log("error", "waits to be confirmed, and no longer reverts automatically: the process that was to revert it was killed. What to do: "+undoing(o.StateDir, configDir, run))
			record(m, run, o, func(u *Unconfirmed) { u.Ended = true })
			return nil, ctx.Err()
		case <-time.After(min(500*time.Millisecond, after-time.Since(begun)+time.Millisecond)):
		}
	}
}

func gone(m host.Reader, path string) bool {
	_, err := m.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// record notes why a run does not go back.
func record(m host.Machine, run string, o Options, note func(*Unconfirmed)) {
	s := store{m, o.StateDir}
	release, locked := m.Lock(filepath.Join(o.StateDir, "lock"))
	if locked != nil {
		return // whoever holds it deals with the run
	}
	defer func() { _ = release() }()
	if u, _ := Waiting(m, o.StateDir); u != nil && u.Run == run {
		note(u)
		_ = s.put(s.net(), u) // the log has it too
	}
}

// tellLog writes a line about a run where Postfix logs (postlog(1)).
func tellLog(ctx context.Context, m host.Machine, configDir, run, priority, text string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	text = fmt.Sprintf("run %s %s", run, strings.Join(strings.Fields(text), " "))
	_, _ = m.Act(ctx, "postlog", "-c", configDir, "-t", "postseal", "-p", priority, fmt.Sprintf("%.900s", text))
}

// takeBack undoes the run, as soon as nobody else is at work, unless it was
// confirmed meanwhile.
func takeBack(ctx context.Context, m host.Machine, u *Receipt, o Options) (*Receipt, error) {
	begun := time.Now()
	o.why = "it was not confirmed by " + u.ConfirmBy.Local().Format(time.TimeOnly)
	o.locked = stillWaits(m, u.ConfigDir, u.ID, o)
	for {
		r, err := Undo(ctx, m, u.ConfigDir, u.ID, o)
		if errors.Is(err, errSettled) {
			return nil, nil
		}
		if err == nil || !errors.Is(err, host.ErrLocked) || time.Since(begun) > busyTime {
			return r, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// stillWaits asks whether the run waits, with the lock.
func stillWaits(m host.Machine, configDir, run string, o Options) func() error {
	return func() error {
		u, err := undecided(m, o.StateDir, configDir, run)
		if err == nil && u == nil {
			err = errSettled
		}
		return err
	}
}

// errSettled: the run was confirmed or taken back before we had the lock.
var errSettled = errors.New("it no longer waits: it was confirmed or undone meanwhile")
