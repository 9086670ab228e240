package apply

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"postseal/internal/diff"
	"postseal/internal/plan"
	"postseal/internal/postfix/maincf"
)

// editable are the files that people, and postconf -e, edit.
func editable(k plan.Kind) bool { return k == plan.MainCF || k == plan.MasterCF }

// without takes a run's change of a file out of what somebody else has made of
// it since: now is what stands there, written what the run wrote, or nil if that
// is not known. With aside, not all of the edit is in what comes back: the edited
// file has to be kept beside it.
func (e Entry) without(old, written, now []byte) (content []byte, aside bool) {
	switch {
	case len(now) == 0 || bytes.Equal(now, old):
		return old, false
	case e.Kind == plan.Answers: // for postseal alone, which reads what is there
		if text, clean := diff.Merge(string(written), string(old), string(now)); clean && written != nil {
			return []byte(text), false
		}
		return now, false
	case e.New: // nothing refers to it any more
		return now, false
	case !editable(e.Kind) || written == nil:
		return old, true
	}
	text, clean := diff.Merge(string(written), string(old), string(now))
	if e.Kind == plan.MainCF && !restores(text, old, written, now) {
		return old, true
	}
	return []byte(text), !clean
}

// restores reports whether every parameter is in text as it was in old, or as
// somebody has set it after the run.
func restores(text string, old, written, now []byte) bool {
	was, ran, is, got := values(string(old)), values(string(written)), values(string(now)), values(text)
	for _, all := range []map[string]string{was, is, got} {
		for name := range all {
			if got[name] != was[name] && (got[name] != is[name] || is[name] == ran[name]) {
				return false
			}
		}
	}
	return true
}

// values are the parameters of a main.cf; the last line of each counts.
func values(text string) map[string]string {
	out := map[string]string{}
	for _, e := range maincf.Parse(text).Entries() {
		out[e.Name] = "=" + e.Value
	}
	return out
}

// aside is the file beside it in which an edited one is kept that makes room for
// the old one.
func (e Entry) aside(run string) Entry {
	out := Entry{Path: e.Path + ".edited-" + run, Kind: plan.Aside, Mode: e.Mode, New: true}
	if e.Kind == plan.ChainPEM { // it holds a key
		out.Kind = e.Kind
	}
	return out
}

// displaced is the entry beside one of this run's, in which an edit is kept that
// made room for it; nil if none did.
func (t *transaction) displaced(e Entry) *Entry {
	i := slices.IndexFunc(t.Entries, func(x Entry) bool { return strings.HasPrefix(x.Path, e.aside("").Path) })
	if i < 0 {
		return nil
	}
	return &t.Entries[i]
}

// beside is the file in which an edit is kept since run: those of earlier attempts
// stay as they are.
func (t *transaction) beside(e Entry, run string) Entry {
	out := e.aside(run)
	for n := 2; n < 1000; n++ {
		if _, err := t.m.Stat(out.Path); err != nil {
			break
		}
		out = e.aside(fmt.Sprintf("%s.%d", run, n))
	}
	return out
}

// withoutEdits puts the old files back whole: with what somebody has edited since
// the run, the listeners are not as they were before it.
func (t *transaction) withoutEdits(ctx context.Context, failure error) error {
	t.event(Event{Step: "restore later edits too", State: Noted, Text: "with it, " + failure.Error()})
	for i, old := range t.merged {
		if e := t.Entries[i]; t.displaced(e) == nil {
			beside := t.beside(e, t.Undoes)
			beside.After = e.Before
			t.add(beside, nil, t.old[i])
			t.touched = len(t.Entries)
			t.noteEdit(e, "; it could not be used with the old settings, and the edited file is kept as "+beside.Path)
		}
		t.Entries[i].Wrote = t.Entries[i].After
		t.new[i], t.Entries[i].After = old, plan.Digest(old)
	}
	for i, e := range t.Entries { // first, as for every write: who goes on with it needs them
		if !e.Gone {
			if err := t.m.Replace(t.store.new(t.ID, i), t.new[i], 0o600); err != nil {
				return remedy(t.m, t.store.new(t.ID, i), err)
			}
		}
	}
	if err := t.phase(Written); err != nil {
		return err
	}
	for i, e := range t.Entries {
		if e.New && !e.Gone { // first: what it is to make room for must not be lost
			if err := t.place(e, t.new[i]); err != nil {
				return err
			}
		}
	}
	for i := range t.merged {
		e := t.Entries[i]
		if now, err := t.digest(e.Path); err != nil {
			return err
		} else if !e.ours(now) {
			return fmt.Errorf("%s %w", e.Path, ErrChanged)
		}
		if err := t.place(e, t.new[i]); err != nil {
			return err
		}
	}
	return t.reloadAndProve(ctx)
}

// wasEdited is what is said of a file, stays what becomes of an edit that stays in it,
// and keptAs what of one for which there is no room there.
const (
	wasEdited = " was edited since"
	stays     = "; the edit stays"
)

func keptAs(aside Entry) string {
	return ", in the same lines; the edited file is kept as " + aside.Path
}

// noteEdit says what becomes of an edit by somebody else.
func (t *transaction) noteEdit(e Entry, what string) {
	text := e.Path + wasEdited + what
	t.unnote(e)
	t.Notes = append(t.Notes, text)
	t.event(Event{Step: "compare with the run", State: Noted, Text: text})
}

// unnote takes back what was said of edits of a file.
func (t *transaction) unnote(e Entry) {
	t.Notes = slices.DeleteFunc(t.Notes, func(said string) bool { return strings.HasPrefix(said, e.Path+wasEdited) })
}
