package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/plan"
)

// Undo takes the newest run of an instance back that is in force: every file
// gets the bytes that it had before, files that were new go. An interrupted
// run is taken back first.
func Undo(ctx context.Context, m host.Machine, configDir string, o Options) (*Receipt, error) {
	pending, err := Pending(m, o.StateDir)
	if err != nil {
		return nil, err
	}
	if pending != nil {
		return resume(ctx, m, pending, o, false)
	}
	last, err := Last(m, o.StateDir, configDir)
	if err != nil {
		return nil, err
	}
	if last == nil {
		return nil, ErrNothing
	}
	t, release, err := begin(m, o, "undo", configDir)
	if err != nil {
		return nil, err
	}
	defer release()
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
		net = nil
	}
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

// Finish brings an interrupted run to its end: what is not yet written is
// written, and all is proved as it would have been.
func Finish(ctx context.Context, m host.Machine, o Options) (*Receipt, error) {
	pending, err := Pending(m, o.StateDir)
	if err != nil {
		return nil, err
	}
	if pending == nil {
		return nil, hint.New("no run was interrupted", typed(o.StateDir, "", "history")+" lists all runs")
	}
	if pending.Phase == Reverting {
		return nil, Interrupted(m, o.StateDir) // half of it is taken back: only on
	}
	return resume(ctx, m, pending, o, true)
}

// resume goes on with the journal of an interrupted run, or takes it back.
func resume(ctx context.Context, m host.Machine, pending *Receipt, o Options, forward bool) (*Receipt, error) {
	t, release, err := begin(m, o, recovery, pending.ConfigDir)
	if err != nil {
		return nil, err
	}
	defer release()
	t.Receipt, t.touched = pending, len(pending.Entries)
	t.FilesOnly = t.FilesOnly || o.FilesOnly
	unlock, err := t.lockPaths(ctx, editLocked(pending.Entries))
	if err != nil {
		return nil, err
	}
	defer unlock()
	done := t.step("read the backups")
	for i, e := range t.Entries {
		var old, content []byte
		if !e.New {
			old, err = m.ReadFile(t.store.old(t.ID, i))
		}
		if err == nil && !e.Gone {
			if content, err = m.ReadFile(t.store.new(t.ID, i)); err != nil && !forward {
				err = nil // needed only if somebody has edited the file
			}
		}
		switch {
		case err != nil && forward:
			return nil, done(hint.Wrap(fmt.Errorf("the run cannot be finished: %w", err), typed(o.StateDir, pending.ConfigDir, "undo")))
		case err != nil:
			return nil, done(hint.Wrap(fmt.Errorf("%w: %w", ErrNotRolledBack, err),
				"what there is of the old files is in "+t.store.backups(t.ID)+"; put them back by hand, then rm "+t.store.journal()))
		}
		t.old, t.new = append(t.old, old), append(t.new, content)
	}
	if err := done(nil); err != nil {
		return nil, err
	}
	if !forward {
		failure := errors.New(onRequest)
		if o.why != "" {
			failure = errors.New("interrupted, and " + o.why)
		}
		if err := t.rollBack(ctx, failure); !errors.Is(err, ErrRolledBack) {
			return t.Receipt, err
		}
		t.disarm(ctx)
		return t.Receipt, nil
	}
	if u, err := Waiting(m, o.StateDir); err != nil || !t.ConfirmBy.IsZero() && (u == nil || u.Run != t.ID) {
		return nil, errors.Join(err, hint.New("the run was to go back by itself unless it is confirmed, and its way back was not armed: it cannot be finished", typed(o.StateDir, pending.ConfigDir, "undo")))
	}
	for i, e := range t.Entries {
		if now, err := t.digest(e.Path); err != nil || now != e.Before && now != e.After {
			return nil, hint.New(fmt.Sprintf("%s was changed by someone else since: the run cannot be finished", t.Entries[i].Path), typed(o.StateDir, pending.ConfigDir, "undo"))
		}
	}
	err = t.write()
	if err == nil {
		err = t.phase(Written)
	}
	if err == nil && !t.FilesOnly {
		err = t.reloadAndProve(ctx)
	}
	if err == nil {
		err = t.finish(Kept)
	}
	if err != nil {
		return t.Receipt, t.rollBack(ctx, err)
	}
	return t.Receipt, nil
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
				"take the change back by hand first; the old file is "+t.store.old(last.ID, i)))
		}
		var content, old []byte
		if now != "" {
			if content, err = t.m.ReadFile(e.Path); err != nil {
				return done(err)
			}
		}
		if !e.New {
			if old, err = t.m.ReadFile(t.store.old(last.ID, i)); err != nil {
				return done(err)
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
			written, _ = t.m.ReadFile(t.store.wrote(last.ID, i)) // an older run has none
		} else {
			written = net.Written[e.Path]
		}
		without, aside := e.without(old, written, content)
		t.noteEdit(e, last.ID, aside)
		if aside {
			beside := e.aside(last.ID)
			beside.After = now
			t.add(beside, nil, content)
		}
		if editable(e.Kind) {
			t.merged[len(t.Entries)] = old
		}
		t.add(Entry{Path: e.Path, Kind: e.Kind, Before: now, After: plan.Digest(without), New: now == "", Mode: e.Mode}, content, without)
	}
	return done(nil)
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
		if p.OK {
			out = append(out, c)
		}
	}
	return out
}
