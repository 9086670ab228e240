package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/plan"
	"postseal/internal/probe"
)

// Undo takes a run of an instance back: every file gets the bytes that it had
// before, files that were new go. An empty run is the newest that is in force, or
// the one that was interrupted; else it is that run, or an error: it may have gone
// back by itself. An undo of it that was interrupted is brought to its end.
func Undo(ctx context.Context, m host.Machine, configDir, run string, o Options) (_ *Receipt, err error) {
	defer func() { err = Remedy(m, err) }()
	if run != "" {
		if _, err := Record(m, o.StateDir, configDir, run); err != nil { // nothing is made where it is not
			return nil, err
		}
	}
	t, release, err := begin(m, o, "undo", configDir)
	if err != nil {
		return nil, err
	}
	defer release()
	pending, err := Pending(m, o.StateDir)
	switch {
	case err != nil:
		return nil, err
	case pending == nil:
		return t.undo(ctx, run, false)
	case run == "" || pending.ID == run:
		r, err := t.resume(ctx, pending, false)
		if err == nil {
			err = Interrupted(m, o.StateDir) // its end could not be written
		}
		return r, err
	case pending.Undoes != run:
		return nil, Interrupted(m, o.StateDir)
	}
	err = errUnfinishable
	if pending.Phase != Reverting {
		r, failure := t.resume(ctx, pending, true)
		if err = failure; err == nil || ctx.Err() != nil {
			return r, err
		}
	}
	if errors.Is(err, errUnfinishable) {
		_, err = t.resume(ctx, pending, false)
	}
	switch {
	case err == nil, errors.Is(err, ErrRolledBack): // the run is in force again
	case errors.Is(err, ErrNotRolledBack) && t.Restored:
		// Its files are. That Postfix does not take them, with an edit say, bars no
		// undo: it may be the cure.
		if err := t.finish(RolledBack); err != nil {
			return nil, err
		}
	default:
		return nil, err
	}
	ran := !t.FilesOnly
	if err := Interrupted(m, o.StateDir); err != nil { // its end could not be written
		return nil, err
	}
	if err := t.start("undo", configDir); err != nil {
		return nil, err
	}
	return t.undo(ctx, run, ran)
}

// undo takes a run back when none is interrupted. ran is that of transaction.
func (t *transaction) undo(ctx context.Context, run string, ran bool) (*Receipt, error) {
	m, o := t.m, t.o
	last, err := Newest(m, o.StateDir, t.ConfigDir)
	if run != "" && (errors.Is(err, ErrNothing) || err == nil && last.ID != run) {
		err = notLast(m, o.StateDir, t.ConfigDir, run, last)
	}
	if err != nil {
		return nil, err
	}
	t.Undoes, t.Why, t.Postfix = last.ID, o.why, last.Postfix
	t.FilesOnly = t.FilesOnly || last.FilesOnly // what was never live need not be proved
	unlock, err := t.lockPaths(ctx, editLocked(last.Entries))
	if err != nil {
		return nil, err
	}
	defer unlock()
	net, err := Waiting(m, o.StateDir)
	if err != nil {
		return nil, err
	}
	if net != nil && net.Run != last.ID {
		if err := Busy(m, o.StateDir); err != nil { // killed, this would bar its way back
			return nil, err
		}
		net = nil
	}
	t.promised, t.ran = net != nil, ran
	if err := t.reverse(last, net); err != nil {
		return nil, err
	}
	t.Checks = asBefore(last)
	if err := t.observe(ctx); err != nil {
		return nil, err
	}
	r, err := t.execute(ctx)
	if err == nil {
		t.disarm(ctx)
	}
	return r, err
}

// notLast says why a run cannot be taken back that is not the newest in force.
func notLast(m host.Reader, stateDir, configDir, run string, last *Receipt) error {
	_, err := Fate(m, stateDir, configDir, run)
	all := typed(stateDir, "", "history") + " lists all runs"
	switch {
	case errors.Is(err, ErrRolledBack):
		return hint.Wrap(fmt.Errorf("%w: run %s is not in force: %s", ErrNothing, run, err.Error()), all)
	case err != nil:
		return err
	case last == nil:
		return hint.New("run "+run+" is not in effect, and the reason is not recorded", all)
	}
	return hint.New("run "+run+" is not the newest in effect: run "+last.ID+" is", undoing(stateDir, configDir, last.ID)+" comes first")
}

// Finish brings an interrupted run to its end: what is not yet written is
// written, and all is proved as it would have been.
func Finish(ctx context.Context, m host.Machine, o Options) (_ *Receipt, err error) {
	defer func() { err = Remedy(m, err) }()
	pending, err := Pending(m, o.StateDir)
	if err != nil {
		return nil, err
	}
	if pending == nil { // nothing is made for it
		return nil, nothingToFinish(o.StateDir)
	}
	t, release, err := begin(m, o, recovery, pending.ConfigDir)
	if err != nil {
		return nil, err
	}
	defer release()
	pending, err = Pending(m, o.StateDir)
	switch {
	case err != nil:
		return nil, err
	case pending == nil: // somebody was faster
		return nil, nothingToFinish(o.StateDir)
	case pending.Phase == Reverting:
		return nil, Interrupted(m, o.StateDir) // half of it is taken back: only on
	}
	return t.resume(ctx, pending, true)
}

func nothingToFinish(stateDir string) error {
	return hint.New("no run was interrupted", typed(stateDir, "", "history")+" lists all runs")
}

// errUnfinishable: an interrupted run can only be taken back.
var errUnfinishable = errors.New("the run cannot be finished")

// resume goes on with the journal of an interrupted run, or takes it back.
func (t *transaction) resume(ctx context.Context, pending *Receipt, forward bool) (*Receipt, error) {
	r, err := t.goOn(ctx, pending, forward)
	settled := err == nil && (!forward || t.Undoes != "") // what is finished may wait to be confirmed
	if settled || errors.Is(err, ErrRolledBack) {
		t.disarm(context.WithoutCancel(ctx))
	}
	return r, err
}

func (t *transaction) goOn(ctx context.Context, pending *Receipt, forward bool) (*Receipt, error) {
	m, o := t.m, t.o
	t.old, t.new = nil, nil
	t.Receipt, t.touched = pending, len(pending.Entries)
	t.FilesOnly = t.FilesOnly || o.FilesOnly
	unlock, err := t.lockPaths(ctx, editLocked(pending.Entries))
	if err != nil {
		return nil, err
	}
	defer unlock()
	undo := undoing(o.StateDir, pending.ConfigDir, pending.ID)
	done := t.step("read the backups")
	for i, e := range t.Entries {
		var old, content []byte
		if !e.New {
			old, err = t.store.read(t.store.old(t.ID, i))
		}
		if err == nil && !e.Gone {
			if content, err = t.store.read(t.store.new(t.ID, i)); err != nil && !forward {
				err = nil // needed only if somebody has edited the file
			}
		}
		switch {
		case err != nil && forward:
			return nil, done(hint.Wrap(fmt.Errorf("%w: %w", errUnfinishable, err), undo))
		case err != nil:
			return nil, done(hint.Wrap(fmt.Errorf("%w: %w", ErrNotRolledBack, err),
				"what is left of the old files is in "+t.store.backups(t.ID)+"; restore them by hand, then: "+hint.ShellLine([]string{"rm", t.store.journal()})))
		}
		t.old, t.new = append(t.old, old), append(t.new, content)
	}
	if err := done(nil); err != nil {
		return nil, err
	}
	if i := slices.Index(t.Notes, stoppedNote); i >= 0 && !o.FilesOnly { // it may have been started since
		t.FilesOnly, t.Notes = false, slices.Delete(t.Notes, i, i+1)
		t.Phase = Prepared // for Postfix, which has read nothing yet
	}
	if !forward {
		t.resumeStopped(ctx)
		failure := errors.New(onRequest)
		if o.why != "" {
			failure = errors.New("interrupted, and " + o.why)
		}
		if err := t.rollBack(ctx, failure); !errors.Is(err, ErrRolledBack) {
			return t.Receipt, err
		}
		return t.Receipt, nil
	}
	if why := t.Unfinishable(m, o.StateDir); why != "" {
		return nil, hint.Wrap(fmt.Errorf("%w: %s", errUnfinishable, why), undo)
	}
	for i, e := range t.Entries {
		if now, err := t.digest(e.Path); err != nil || !e.ours(now) {
			return nil, hint.Wrap(fmt.Errorf("%w: %s was changed by someone else since", errUnfinishable, t.Entries[i].Path), undo)
		}
	}
	t.resumeStopped(ctx)
	err = t.write()
	if err == nil {
		err = t.phase(Written)
	}
	if err == nil && !t.FilesOnly {
		err = t.reloadAndProve(ctx)
	}
	if err == nil {
		err = t.keep(ctx)
	}
	if err != nil {
		return t.Receipt, t.rollBack(ctx, err)
	}
	return t.Receipt, nil
}

// resumeStopped leaves an undo that was interrupted at the files, if Postfix was
// stopped before it had read any of them. Later it may be that which has killed it.
func (t *transaction) resumeStopped(ctx context.Context) {
	if t.Undoes != "" && t.Phase == Prepared && !t.FilesOnly && t.stopped(ctx) {
		t.noteStopped()
	}
}

// reverse turns the entries of a run around. What was changed since bars the
// way, but not under a net: that must hold, whoever edits what meanwhile. In the
// answers file it never does: suppressions are written there by hand.
func (t *transaction) reverse(last *Receipt, net *Unconfirmed) error {
	done := t.step("compare with the run")
	t.merged = map[int][]byte{}
	for i, e := range slices.Backward(last.Entries) {
		now, err := t.digest(e.Path)
		if err != nil {
			return done(err)
		}
		if now != e.After && net == nil && e.Kind != plan.Answers {
			return done(hint.New(fmt.Sprintf("%s was changed after run %s: undo would lose that change", e.Path, last.ID),
				"revert that change first, so that the file is as the run left it; the file from before the run is in "+t.store.old(last.ID, i)))
		}
		var content, old []byte
		if now != "" {
			if content, err = t.m.ReadFile(e.Path); err != nil {
				return done(err)
			}
		}
		if !e.New {
			if old, err = t.store.read(t.store.old(last.ID, i)); err != nil {
				return done(t.store.withoutBackup(last, e.Path, err))
			}
		}
		if now == e.After {
			t.add(Entry{Path: e.Path, Kind: e.Kind, Before: e.After, After: e.Before, New: e.Gone, Gone: e.New, Mode: e.Mode, Made: e.Made}, content, old)
			continue
		}
		if now == "" && e.New {
			continue // it is gone already
		}
		var written []byte
		if e.Kind == plan.Answers {
			written, _ = t.store.read(t.store.wrote(last.ID, i)) // an older run has none
		} else {
			written = net.Written[e.Path]
		}
		without, aside := e.without(old, written, content)
		what := stays
		if aside {
			beside := t.beside(e, last.ID)
			beside.After = now
			t.add(beside, nil, content)
			what = keptAs(beside)
		}
		t.noteEdit(e, what)
		if editable(e.Kind) {
			t.merged[len(t.Entries)] = old
		}
		t.add(Entry{Path: e.Path, Kind: e.Kind, Before: now, After: plan.Digest(without), New: now == "", Mode: e.Mode}, content, without)
	}
	return done(nil)
}

// withoutBackup adds to an error what to do where the backup of a file is gone.
func (s store) withoutBackup(last *Receipt, path string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return hint.Wrap(fmt.Errorf("reading the backup of %s: %w", path, err),
		"restore "+s.backups(last.ID)+" from a backup of this machine, then: "+undoing(s.dir, last.ConfigDir, last.ID)+
			"; without one, edit "+path+" by hand, then: "+hint.ShellLine([]string{"postfix", "-c", last.ConfigDir, "reload"}))
}

// editLocked are the files among the entries that Postfix's tools edit too.
func editLocked(entries []Entry) (out []string) {
	for _, e := range entries {
		if e.Kind == plan.MainCF || e.Kind == plan.MasterCF {
			out = append(out, e.Path)
		}
	}
	return out
}

// asBefore are the checks for the state before a run: every listener must
// answer as it did then. One that failed then may fail again.
func asBefore(last *Receipt) []plan.Check {
	var out []plan.Check
	for _, p := range last.Before {
		c := plan.Check{Service: p.Service, Addr: p.Addr, Mode: p.Mode, Serves: p.Serves}
		i := slices.IndexFunc(last.Checks, func(c plan.Check) bool { return c.Service == p.Service })
		if i >= 0 {
			c.Proxy = last.Checks[i].Proxy
		}
		switch {
		case p.OK:
			out = append(out, c)
		case p.Stage == probe.STARTTLS && p.Mode == plan.STARTTLS: // it had no TLS, and greeted
			c.Mode, c.Serves = plan.GreetOnly, nil
			out = append(out, c)
		}
	}
	return out
}
