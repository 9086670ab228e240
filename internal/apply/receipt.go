package apply

import (
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

// Receipt is what a run did. While the run is under way the same record is
// its journal. It holds no private key.
type Receipt struct {
	// ID is a running number with the time: "0007-20261123-141502".
	ID   string    `json:"id"`
	When time.Time `json:"when"`
	// Kind is "apply" or "undo"; Undoes the run that an undo took back.
	Kind   string `json:"kind"`
	Undoes string `json:"undoes,omitempty"`
	// Why is the reason of an undo that nobody asked for.
	Why string `json:"why,omitempty"`
	// Phase is how far it came.
	Phase     Phase  `json:"phase"`
	ConfigDir string `json:"config_dir"`
	Postfix   string `json:"postfix"`
	// FilesOnly: no reload and no handshake, so nothing was proved.
	FilesOnly bool                `json:"files_only,omitempty"`
	Entries   []Entry             `json:"files"`
	Answers   map[string][]string `json:"answers,omitempty"`
	// Block is the block in main.cf as it was written.
	Block []string `json:"block,omitempty"`
	// Checks are what had to be seen, Before what was seen before the change,
	// Proofs what was seen after it.
	Checks []plan.Check `json:"checks,omitempty"`
	Before []Proof      `json:"before,omitempty"`
	Proofs []Proof      `json:"proofs,omitempty"`
	// Warnings are lines about TLS from Postfix's log since the reload.
	Warnings []string `json:"warnings,omitempty"`
	// Unchecked are programs of Postfix that logged a failure of TLS, or ended with
	// one, while no handshake shows what they do.
	Unchecked []string `json:"unchecked,omitempty"`
	// Notes say what became of edits that others made meanwhile.
	Notes []string `json:"notes,omitempty"`
	// Unloadable is why an undo of the files alone must not be followed by a reload
	// yet, and what to do first.
	Unloadable string `json:"unloadable,omitempty"`
	// ConfirmBy is when it is taken back by itself unless it is confirmed.
	ConfirmBy time.Time `json:"confirm_by,omitzero"`
	// Confirmed says that somebody has.
	Confirmed bool `json:"confirmed,omitempty"`
	// Failure is why it was rolled back.
	Failure string `json:"failure,omitempty"`
	// Restored: of a run whose rollback failed, every file is as it was all the
	// same; it is Postfix that could not be brought back, or not seen to be.
	Restored bool `json:"restored,omitempty"`
	// Grades are the letters of the report card by part, as seen after the run (Graded).
	Grades map[string]string `json:"grades,omitempty"`
	// Stands says of a run that is not at rest what becomes of it (Standing).
	Stands string `json:"stands,omitempty"`
}

// Phase is how far a run came.
type Phase string

// The phases. The first three are those of a run under way.
const (
	Prepared   Phase = "prepared" // backups are made; files may be old or new
	Written    Phase = "written"  // all files are new; not proved yet
	Reverting  Phase = "reverting"
	Kept       Phase = "kept"
	RolledBack Phase = "rolled back"
	Undone     Phase = "undone"
	// Waits is recorded nowhere: it is a kept run as Standing shows it while it
	// waits to be confirmed.
	Waits Phase = "waiting"
)

// onRequest is why a run was taken back that an interruption had left.
const onRequest = "interrupted, and undone on request"

// OnRequest says that the run was rolled back since somebody wanted that.
func (r *Receipt) OnRequest() bool { return r.Phase == RolledBack && r.Failure == onRequest }

// Ways are what can be done about an interrupted run.
func (r *Receipt) Ways(m host.Reader, stateDir string) string {
	undo, finish := undoing(stateDir, r.ConfigDir, r.ID), typed(stateDir, r.ConfigDir, "apply", "--finish")
	switch {
	case r.Phase == Reverting && r.Undoes != "":
		return undoing(stateDir, r.ConfigDir, r.Undoes) + " undoes run " + r.Undoes + " anyway, " + undo + " leaves it in effect"
	case r.Phase == Reverting:
		return undo + " continues that"
	case r.Undoes != "":
		return finish + " undoes run " + r.Undoes + ", " + undo + " leaves it in effect"
	case r.ConfirmBy.IsZero():
		return undo + " restores the old files, " + finish + " goes on"
	}
	if why := r.Unfinishable(m, stateDir); why != "" {
		return undo + " restores the old files; " + why
	}
	return undo + " restores the old files, " + finish + " continues; without either, it " + GoesBack(r.ConfirmBy)
}

// Unfinishable says why an interrupted run cannot be brought to its end; empty if it
// can. One that is to go back by itself can only as long as it does.
func (r *Receipt) Unfinishable(m host.Reader, stateDir string) string {
	if r.Phase == Reverting {
		return "it was being reverted"
	}
	if r.ConfirmBy.IsZero() {
		return ""
	}
	u, err := Waiting(m, stateDir)
	switch {
	case err != nil:
		return err.Error()
	case u != nil && u.Astray(m.Now()):
		return "it " + u.Stands(m.Now())
	}
	return ""
}

// DefaultStateDir is for journal, receipts and backups (hier(7)).
const DefaultStateDir = "/var/lib/postseal"

// Verb is a command line of postseal about what lies in a state folder, for an
// instance, or for all if configDir is empty.
func Verb(stateDir, configDir string, words ...string) []string {
	out := append([]string{"postseal"}, words...)
	if configDir != "" && configDir != "/etc/postfix" {
		out = append(out, "--config-dir", configDir)
	}
	if stateDir != DefaultStateDir {
		out = append(out, "--state-dir", stateDir)
	}
	return out
}

// undoing is what is typed to take one run back, and no other: it may have gone
// back by itself when it is typed.
func undoing(stateDir, configDir, run string) string {
	return typed(stateDir, configDir, "undo", "--run", run)
}

// typed is Verb as it is typed.
func typed(stateDir, configDir string, words ...string) string {
	return hint.ShellLine(Verb(stateDir, configDir, words...))
}

// Entry is one file of a run.
type Entry struct {
	Path string    `json:"path"`
	Kind plan.Kind `json:"kind"`
	// Before and After are SHA-256; empty for a file that is not there.
	Before string `json:"before"`
	After  string `json:"after"`
	// Wrote is what an undo wrote that kept somebody's edit, before it put the file
	// back whole.
	Wrote string `json:"wrote,omitempty"`
	// New is true if the file was not there before; Gone if it is not after.
	New  bool        `json:"new,omitempty"`
	Gone bool        `json:"gone,omitempty"`
	Mode fs.FileMode `json:"mode"`
	// Made are folders that were made for it.
	Made []string `json:"made,omitempty"`
}

// ours says whether a file of this digest is one that the run has found or made.
func (e Entry) ours(digest string) bool {
	return digest == e.Before || digest == e.After || e.Wrote != "" && digest == e.Wrote
}

// Earlier are the texts that undoing a run gives its files back, by path: what holds no
// key, and was not made by the run or cannot be read.
func (r *Receipt) Earlier(m host.Reader, stateDir string) map[string]string {
	s, out := store{host.ReadOnly{Reader: m}, stateDir}, map[string]string{}
	for n, e := range r.Entries {
		if e.Kind != plan.MainCF && e.Kind != plan.MasterCF || e.New {
			continue
		}
		if data, err := m.ReadFile(s.old(r.ID, n)); err == nil {
			out[e.Path] = string(data)
		}
	}
	return out
}

// History lists the receipts of an instance, newest first; an empty configDir
// is all instances. It needs only reading.
func History(m host.Reader, stateDir, configDir string) ([]*Receipt, error) {
	s := store{host.ReadOnly{Reader: m}, stateDir}
	// Glob finds nothing in a folder that it may not read.
	if _, err := m.Stat(s.receipt("none")); errors.Is(err, fs.ErrPermission) {
		return nil, remedy(m, stateDir, fmt.Errorf("reading what earlier runs did, in %s: %w", stateDir, fs.ErrPermission))
	}
	paths, err := m.Glob(filepath.Join(literal(stateDir), "receipts", "*.json"))
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	slices.Reverse(paths)
	var out []*Receipt
	for _, p := range paths {
		r, err := s.get(p)
		if err != nil {
			return nil, err
		}
		if configDir == "" || r.ConfigDir == configDir {
			out = append(out, r)
		}
	}
	return out, nil
}

// Standing is History with what is not at rest: a run that waits to be
// confirmed is shown as one that does, and one that is not at its end comes first.
func Standing(m host.Reader, stateDir, configDir string) ([]*Receipt, error) {
	all, err := History(m, stateDir, configDir)
	if err != nil {
		return nil, err
	}
	u, err := Waiting(m, stateDir)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if u != nil && u.Run == r.ID && r.Phase == Kept {
			r.Phase, r.ConfirmBy, r.Stands = Waits, u.By, u.Stands(m.Now())
		}
	}
	if u != nil && u.Lost() && (configDir == "" || u.ConfigDir == configDir) {
		r := &Receipt{ID: u.Run, Kind: "apply", Phase: Waits, Entries: []Entry{}, ConfigDir: u.ConfigDir, ConfirmBy: u.By, Stands: u.Stands(m.Now())}
		if _, when, ok := strings.Cut(u.Run, "-"); ok {
			r.When, _ = time.Parse(idTime, when)
		}
		all = append([]*Receipt{r}, all...)
	}
	p, err := Pending(m, stateDir)
	if err != nil || p == nil || configDir != "" && p.ConfigDir != configDir {
		return all, err
	}
	p.Stands = "not finished: unless another postseal is working on it, " + p.Ways(m, stateDir)
	if len(all) > 0 && all[0].ID == p.ID { // its receipt was written, its journal not yet removed
		all = all[1:]
	}
	return append([]*Receipt{p}, all...), nil
}

// Last is the newest run on an instance that is in force, or nil.
func Last(m host.Reader, stateDir, configDir string) (*Receipt, error) {
	all, err := History(m, stateDir, configDir)
	if err != nil {
		return nil, err
	}
	undone := map[string]bool{}
	for _, r := range all {
		if r.Kind == "undo" && r.Phase == Kept {
			undone[r.Undoes] = true
		}
		if r.Kind == "apply" && r.Phase == Kept && !undone[r.ID] {
			return r, nil
		}
	}
	return nil, nil
}

// Newest is what undo takes back when no run is interrupted; an error if there is
// nothing, or it is lost.
func Newest(m host.Reader, stateDir, configDir string) (*Receipt, error) {
	u, err := Waiting(m, stateDir)
	if err == nil && u != nil && u.Lost() && u.ConfigDir == configDir {
		return nil, u.loss
	}
	last, err := Last(m, stateDir, configDir)
	switch {
	case err != nil || last != nil:
		return last, err
	case u != nil: // on another instance
		return nil, hint.Wrap(fmt.Errorf("%w on %s, but run %s on %s waits", ErrNothing, configDir, u.Run, u.ConfigDir), u.Ways(stateDir))
	}
	return nil, ErrNothing
}

// Pending is a run that was interrupted, or nil.
func Pending(m host.Reader, stateDir string) (*Receipt, error) {
	s := store{host.ReadOnly{Reader: m}, stateDir}
	r, err := s.get(s.journal())
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	unread := (*fs.PathError)(nil)
	if err != nil && !errors.Is(err, host.ErrExposed) && !errors.As(err, &unread) { // it was read, but is no record
		err = hint.Wrap(err, "some files may be partly changed: their previous content is in the newest directory of "+s.backups("")+"; restore it by hand, then move the journal away")
	}
	return r, err
}

// Unproved names what was not proved, and why: listeners that were excused, since they
// served no one before the change either, and programs that log a failure which no
// handshake can refute. It is empty if all was proved.
func (r *Receipt) Unproved() string {
	var mute, out []string
	for _, p := range r.Proofs {
		if !p.OK {
			mute = append(mute, p.Service+" on "+p.Addr)
		}
	}
	if len(mute) > 0 {
		out = append(out, strings.Join(mute, ", ")+", which did not answer before either")
	}
	if len(r.Unchecked) > 0 {
		out = append(out, strings.Join(r.Unchecked, ", ")+", which logged a failure")
	}
	return strings.Join(out, "; ")
}

// State says in words how the files of an interrupted run stand.
func (r *Receipt) State(m host.Reader) []string {
	var out []string
	for _, e := range r.Entries {
		state := "changed by someone else since"
		digest, err := digest(m, e.Path)
		switch {
		case err != nil:
			state = err.Error()
		case digest == e.After:
			state = "as that run wrote it"
		case digest == e.Before:
			state = "as before"
		case e.ours(digest):
			state = "as that run wrote it, with later edits"
		}
		out = append(out, e.Path+": "+state)
	}
	return out
}

// AnswersText is how an answer was recorded, for messages.
func (r *Receipt) AnswersText(key string) string { return strings.Join(r.Answers[key], ", ") }
