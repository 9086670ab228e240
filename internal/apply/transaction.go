package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/plan"
)

// transaction is one run under way. Its receipt is the journal.
type transaction struct {
	*Receipt
	m     host.Machine
	o     Options
	store store
	old   [][]byte // contents before, by entry; nil for a new file
	new   [][]byte // contents after; nil for a file that goes
	// oldTroubles are log lines about broken TLS that came before the change.
	oldTroubles map[string]bool
	// merged are the old bytes, whole, of entries that keep somebody else's edit.
	merged map[int][]byte
	// promised: it takes back what was to go back by itself, and does so also if
	// Postfix does not run.
	promised bool
	// ran: Postfix did before an undo of it that was interrupted, and is brought back.
	ran bool
	// reloaded is when Postfix was told to read its files.
	reloaded time.Time
	// touched is how many entries were written, or may have been.
	touched int
}

// begin takes the lock of the state folder, and refuses to go on over a run
// that was interrupted, unless that is what it deals with.
func begin(m host.Machine, o Options, kind, configDir string) (*transaction, func(), error) {
	t := &transaction{m: m, o: o, store: store{m, o.StateDir}}
	done := t.step("lock")
	if _, err := m.MkdirAll(o.StateDir, 0o700); err != nil {
		return nil, nil, done(remedy(m, o.StateDir, fmt.Errorf("making %s: %w", o.StateDir, err)))
	}
	if err := host.Trusted(m, o.StateDir, o.StateDir); err != nil {
		return nil, nil, done(err)
	}
	release, err := m.Lock(filepath.Join(o.StateDir, "lock"))
	if err != nil {
		if errors.Is(err, host.ErrLocked) {
			err = hint.Wrap(fmt.Errorf("another postseal is running on this machine: %w", err), "wait until it has finished")
		}
		return nil, nil, done(remedy(m, o.StateDir, err))
	}
	unlock := func() { _ = release() }
	if o.locked != nil {
		if err := o.locked(); err != nil {
			unlock()
			return nil, nil, done(err)
		}
	}
	if err = Interrupted(m, o.StateDir); err == nil {
		t.store.sweep()
	}
	switch {
	case kind == "undo" || kind == recovery:
		err = nil // they look for themselves
	case err != nil:
	case kind == "apply":
		err = waits(m, o.StateDir)
	default: // a certificate that runs out is not held up by a net that nobody took away
		err = Busy(m, o.StateDir)
	}
	if err != nil {
		unlock()
		return nil, nil, done(err)
	}
	if err := t.start(kind, configDir); err != nil {
		unlock()
		return nil, nil, done(err)
	}
	return t, unlock, done(nil)
}

// start makes it a run that has done nothing yet.
func (t *transaction) start(kind, configDir string) (err error) {
	*t = transaction{m: t.m, o: t.o, store: t.store}
	t.Receipt = &Receipt{Kind: kind, When: t.m.Now().UTC(), ConfigDir: configDir, FilesOnly: t.o.FilesOnly}
	t.ID, err = t.store.nextID(t.When)
	return err
}

// recovery is the kind of a run that deals with an interrupted one.
const recovery = "recover"

// Interrupted is an error that says how an interrupted run stands, or nil.
func Interrupted(m host.Reader, stateDir string) error {
	r, err := Pending(m, stateDir)
	if err != nil || r == nil {
		return err
	}
	stage := fmt.Sprintf(", after %q", r.Phase)
	switch {
	case r.Phase == Reverting && r.Undoes != "":
		stage = " had failed, and run " + r.Undoes + " was being put in force again"
	case r.Phase == Reverting:
		stage = " was being put back"
	}
	err = fmt.Errorf("%w: %s %s of %s%s; %s", ErrPending, r.Kind, r.ID, r.When.Format(time.DateTime), stage, strings.Join(r.State(m), ", "))
	return hint.Wrap(err, r.Ways(m, stateDir))
}

// step reports a step as running, and returns how to report its end.
func (t *transaction) step(name string) func(error) error {
	t.event(Event{Step: name, State: Running})
	return func(err error) error {
		e := Event{Step: name, State: Done}
		if err != nil {
			e.State, e.Text = Failed, err.Error()
		}
		t.event(e)
		return err
	}
}

func (t *transaction) event(e Event) {
	if t.o.Events != nil {
		t.o.Events(e)
	}
}

func (t *transaction) add(e Entry, old, content []byte) {
	t.Entries = append(t.Entries, e)
	t.old, t.new = append(t.old, old), append(t.new, content)
}

func (t *transaction) digest(path string) (string, error) { return digest(t.m, path) }

// lockEdits takes the lock of `postconf -e` on every Postfix file that will
// change, and holds it to the end, so that no edit comes between writing and
// proving.
func (t *transaction) lockEdits(ctx context.Context, p *plan.Plan) (func(), error) {
	if err := notMounted(t.m, p.Files); err != nil {
		return nil, err
	}
	var paths []string
	for _, f := range p.Files {
		if f.Kind == plan.MainCF || f.Kind == plan.MasterCF {
			paths = append(paths, f.Path)
		}
	}
	return t.lockPaths(ctx, paths)
}

func (t *transaction) lockPaths(ctx context.Context, paths []string) (func(), error) {
	done := t.step("lock the files as postconf does")
	ctx, cancel := context.WithTimeout(ctx, lockTime)
	defer cancel()
	var held []func() error
	unlock := func() {
		for _, release := range held {
			_ = release() // a lock file that is gone already is no harm
		}
	}
	slices.Sort(paths) // main.cf before master.cf, for everyone
	for _, path := range paths {
		release, err := t.m.LockEdit(ctx, path)
		if err != nil {
			unlock()
			if errors.Is(err, host.ErrLocked) {
				err = hint.Wrap(err, "another program is editing it: postconf -e, or a second postseal; try again")
			}
			return nil, done(remedy(t.m, path, err))
		}
		held = append(held, release)
	}
	return unlock, done(nil)
}

// execute writes, reloads and proves; it puts everything back if that fails.
func (t *transaction) execute(ctx context.Context) (*Receipt, error) {
	if err := t.prepare(ctx); err != nil {
		return nil, err
	}
	failure := t.write()
	if failure == nil {
		failure = t.phase(Written)
	}
	if failure == nil && !t.FilesOnly {
		failure = t.reloadAndProve(ctx)
		if failure != nil && ctx.Err() == nil && len(t.merged) > 0 && !errors.Is(failure, errHangs) {
			failure = t.withoutEdits(ctx, failure)
		}
	}
	if failure == nil {
		failure = t.keep(ctx)
	}
	if failure == nil {
		return t.Receipt, nil
	}
	return t.Receipt, t.rollBack(ctx, failure)
}

// prepare makes the backups and the journal, and then the way back, of which
// something stands in the store from its first moment on. Until it has ended,
// nothing that Postfix reads has been touched.
func (t *transaction) prepare(ctx context.Context) error {
	trouble := ""
	if t.o.Net != nil && !t.FilesOnly {
		trouble = t.trouble(ctx)
		t.ConfirmBy = t.m.Now().Add(t.o.Net.Within).UTC()
	}
	done := t.step("back up")
	err := t.backUp()
	if err == nil {
		err = t.phase(Prepared)
	}
	err = done(remedy(t.m, t.store.journal(), err))
	if err == nil {
		err = t.arm(ctx, trouble)
	}
	if err != nil {
		_ = t.m.Remove(t.store.journal()) // which may be in place although writing it failed
		t.store.discard(t.ID)
		return err
	}
	_ = t.m.Remove(t.store.unfinished(t.ID))
	return nil
}

// backUp keeps what is there, and what will be.
func (t *transaction) backUp() error {
	if _, err := t.m.MkdirAll(t.store.backups(t.ID), 0o700); err != nil {
		return err
	}
	if err := t.m.Replace(t.store.unfinished(t.ID), nil, 0o600); err != nil {
		return err
	}
	for i, e := range t.Entries {
		if !e.New {
			if err := t.m.Replace(t.store.old(t.ID, i), t.old[i], 0o600); err != nil {
				return err
			}
		}
		if !e.Gone {
			if err := t.m.Replace(t.store.new(t.ID, i), t.new[i], 0o600); err != nil {
				return err
			}
		}
		if e.Kind == plan.Answers && !e.Gone {
			if err := t.m.Replace(t.store.wrote(t.ID, i), t.new[i], 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

// phase writes the journal.
func (t *transaction) phase(p Phase) error {
	t.Phase = p
	return t.store.put(t.store.journal(), t.Receipt)
}

// write puts the files in place. What other files refer to comes first.
func (t *transaction) write() error {
	done := t.step("write")
	for i, e := range t.Entries {
		// Looking at the listeners took its time: nobody's edit is lost.
		now, err := t.digest(e.Path)
		if err == nil && !e.ours(now) {
			err = hint.Wrap(fmt.Errorf("%s %w", e.Path, ErrChanged), "run postseal again to see the new plan")
		}
		if err != nil {
			return done(err)
		}
		t.touched = i + 1
		if err := t.put(i, e.Gone, t.new[i]); err != nil {
			return done(err)
		}
	}
	return done(nil)
}

// put writes or removes one file.
func (t *transaction) put(i int, remove bool, content []byte) error {
	e := t.Entries[i]
	if remove {
		err := t.m.Remove(e.Path)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		t.dropTemp(e.Path)
		for _, dir := range slices.Backward(e.Made) {
			_ = t.m.Remove(dir) // stays if something else is in it now
		}
		return remedy(t.m, e.Path, err)
	}
	return t.place(e, content)
}

// place writes one file.
func (t *transaction) place(e Entry, content []byte) error {
	dirMode := fs.FileMode(0o755)
	if e.Kind == plan.ChainPEM {
		dirMode = 0o700
	}
	_, err := t.m.MkdirAll(filepath.Dir(e.Path), dirMode)
	switch {
	case err != nil:
	case e.Kind == plan.ChainPEM:
		err = t.m.ReplaceSecret(e.Path, content)
	default:
		err = t.m.Replace(e.Path, content, e.Mode)
	}
	return remedy(t.m, e.Path, err)
}

// keep ends a run that has done what it was to do.
func (t *transaction) keep(ctx context.Context) error {
	if t.FilesOnly && t.Undoes != "" {
		t.noteUnloadable(ctx)
	}
	return t.finish(Kept)
}

// finish turns the journal into a receipt.
func (t *transaction) finish(p Phase) error {
	t.Phase = p
	if err := t.store.put(t.store.receipt(t.ID), t.Receipt); err != nil {
		return err
	}
	// The run's own receipt comes first: it is what says that the other one
	// is undone, and what a crash here must not leave without.
	if t.Undoes != "" {
		undone, err := t.store.get(t.store.receipt(t.Undoes))
		lost := errors.Is(err, fs.ErrNotExist) && p == RolledBack // in force as before, and lost
		if err != nil && !lost {
			return err
		}
		if !lost {
			if undone.Phase = Undone; p != Kept {
				undone.Phase = Kept
			}
			if err := t.store.put(t.store.receipt(t.Undoes), undone); err != nil {
				return err
			}
		}
	}
	if err := t.m.Remove(t.store.journal()); errors.Is(err, fs.ErrNotExist) && p == RolledBack {
		return nil // somebody was faster; all is as it was
	} else if err != nil {
		return remedy(t.m, t.store.journal(), err)
	}
	t.dropNew()
	return nil
}

// dropNew removes the copies of what was to be written, and what a run that
// was killed had half written; the backups stay.
func (t *transaction) dropNew() {
	for i, e := range t.Entries {
		_ = t.m.Remove(t.store.new(t.ID, i))
		t.dropTemp(e.Path)
	}
	_ = t.m.Remove(t.store.unfinished(t.ID))
	_ = t.m.Remove(host.Temp(t.store.net()))
}

// dropTemp removes what a killed run had half written for path.
func (t *transaction) dropTemp(path string) {
	if target, err := t.m.Resolve(path); err == nil {
		path = target
	}
	_ = t.m.Remove(host.Temp(path))
}

// missing are the folders that have to be made for dir to be there, outermost
// first. The journal has them before any is made: a run that is killed in
// between is still taken back whole.
func (t *transaction) missing(dir string) (out []string) {
	for {
		if _, err := t.m.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			return out
		}
		out = append([]string{dir}, out...)
		dir = filepath.Dir(dir)
	}
}
