package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/hint"
	"postseal/internal/plan"
)

// revertTime bounds a rollback, which goes on even if the run was cancelled.
const revertTime = 3 * time.Minute

// notUndone is the ErrRolledBack of an undo: the run is in force again.
type notUndone struct{ failure error }

func (n notUndone) Error() string        { return "not undone: " + n.failure.Error() }
func (n notUndone) Is(target error) bool { return target == ErrRolledBack }
func (n notUndone) Unwrap() error        { return n.failure }

// interruption is the failure of a run that was cancelled: it says by what, and
// not in the midst of which program.
type interruption struct{ cause error }

func (i interruption) Error() string {
	if errors.Is(i.cause, context.Canceled) {
		return "interrupted"
	}
	return "interrupted: " + i.cause.Error()
}

func (i interruption) Unwrap() error { return context.Canceled }

// interrupted is why a run that waited for something goes on no further, or nil.
func interrupted(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return interruption{context.Cause(ctx)}
	}
	return ctx.Err()
}

// rollBack puts the old bytes back, reloads, and proves that everything is as
// it was.
func (t *transaction) rollBack(ctx context.Context, failure error) error {
	if err := interrupted(ctx); err != nil && errors.Is(failure, context.Canceled) {
		failure = err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revertTime)
	defer cancel()
	t.Failure, t.Unloadable = failure.Error(), ""
	if t.phase(Reverting) != nil {
		t.dropNew()            // makes room
		_ = t.phase(Reverting) // a full disc must not keep the old bytes from coming back
	}
	if err := t.restore(ctx); err != nil {
		undo, cure := undoing(t.o.StateDir, t.ConfigDir, t.ID), hint.Of(err)
		err = fmt.Errorf("%w: %w; and restoring it: %w", ErrNotRolledBack, failure, err)
		if t.Restored {
			_ = t.phase(Reverting) // for history; the error says it too
			as := "every file is as it was"
			if len(t.Notes) > 0 {
				as += ", but: " + strings.Join(t.Notes, "; ")
			}
			if cure != "" {
				as += "; " + cure
			}
			return hint.Wrap(err, as+"; the backups stay in "+t.store.backups(t.ID)+"; "+undo+" retries the rest")
		}
		return hint.Wrap(err, "the old files are in "+t.store.backups(t.ID)+"; "+undo+" retries")
	}
	t.Restored = false // rolled back says it
	if err := t.finish(RolledBack); err != nil {
		t.event(Event{Step: "write the receipt", State: Noted, Text: err.Error()})
	}
	if t.Undoes != "" {
		return notUndone{failure}
	}
	return hint.Wrap(fmt.Errorf("%w: %w", ErrRolledBack, failure), hint.Of(failure))
}

// restore writes the old contents over the new ones, last first. Where one
// cannot be put back it stops, for what comes before is what the file refers
// to: a main.cf that stays needs the chain file that it names.
func (t *transaction) restore(ctx context.Context) error {
	name := "restore the old files"
	if t.Undoes != "" {
		name = "write the files of run " + t.Undoes + " again"
	}
	done := t.step(name)
	t.dropNew()                          // frees room, should the disc be full
	net, _ := Waiting(t.m, t.o.StateDir) // whatever it says, the old bytes come back
	kept := t.mended()
	var all []error
	for i := t.touched - 1; i >= 0; i-- {
		e := t.Entries[i]
		now, err := t.digest(e.Path)
		switch {
		case slices.Contains(kept, e.Path):
		case err != nil || now == e.Before && !e.New:
		case !e.ours(now) && now != "":
			err = t.restoreEdited(i, net)
		default:
			err = t.put(i, e.New, t.old[i])
		}
		all = append(all, err)
		if err != nil && e.Kind != plan.Answers {
			break
		}
	}
	err := done(errors.Join(all...))
	t.Restored = err == nil
	if err == nil && !t.FilesOnly {
		err = t.reloadAndCompare(ctx)
	}
	return err
}

// mended are the files, with what is kept beside them, that stay as they are: an undo
// has displaced an edit there, which may have been what kept Postfix from running,
// and somebody has edited the file since. What was said of the others goes with them.
func (t *transaction) mended() (out []string) {
	for _, e := range t.Entries {
		aside := t.displaced(e)
		if aside == nil {
			continue
		}
		if now, err := t.digest(e.Path); err == nil && now != "" && !e.ours(now) {
			t.noteEdit(e, "; that is kept, and earlier edits are in "+aside.Path)
			out = append(out, e.Path, aside.Path)
		} else {
			t.unnote(e)
		}
	}
	return out
}

// restoreEdited puts back a file that somebody else has edited meanwhile.
func (t *transaction) restoreEdited(i int, net *Unconfirmed) error {
	e := t.Entries[i]
	now, err := t.m.ReadFile(e.Path)
	if err != nil {
		return err
	}
	written := t.new[i]
	if net != nil && net.Run == t.ID && net.Written[e.Path] != nil {
		written = net.Written[e.Path]
	}
	content, aside := e.without(t.old[i], written, now)
	what := stays
	if aside {
		beside := t.beside(e, t.ID)
		if err := t.place(beside, now); err != nil {
			return err
		}
		what = keptAs(beside)
	}
	t.noteEdit(e, what)
	return t.place(e, content)
}
