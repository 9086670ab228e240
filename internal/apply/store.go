package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/plan"
)

// store is the state folder.
type store struct {
	m   host.Machine
	dir string
}

func (s store) journal() string          { return filepath.Join(s.dir, "journal.json") }
func (s store) receipt(id string) string { return filepath.Join(s.dir, "receipts", id+".json") }
func (s store) backups(id string) string { return filepath.Join(s.dir, "backups", id) }
func (s store) old(id string, n int) string {
	return filepath.Join(s.backups(id), fmt.Sprintf("old-%d", n))
}
func (s store) new(id string, n int) string {
	return filepath.Join(s.backups(id), fmt.Sprintf("new-%d", n))
}

// wrote is what a run wrote into the answers file, which people edit at any
// time: an undo takes only that out.
func (s store) wrote(id string, n int) string {
	return filepath.Join(s.backups(id), fmt.Sprintf("wrote-%d", n))
}

// unfinished stands beside the backups of a run until all are made, the journal
// is written and the way back is armed: before that nothing else was touched.
func (s store) unfinished(id string) string { return filepath.Join(s.backups(id), "unfinished") }

// discard removes the backups of a run that wrote nothing.
func (s store) discard(id string) {
	s.remove(filepath.Join("backups", id, "*"))
	s.remove(filepath.Join("backups", id, ".*.postseal"))
	_ = s.m.Remove(s.backups(id))
}

// remove removes files below the folder by a pattern, as far as that goes.
func (s store) remove(pattern string) {
	paths, _ := s.m.Glob(filepath.Join(literal(s.dir), pattern))
	for _, p := range paths {
		_ = s.m.Remove(p)
	}
}

// sweep removes what runs have left that were killed and need no recovery. The
// caller has the lock, and knows that there is no journal. Backups of which
// something may have been written stay, whatever became of their journal.
func (s store) sweep() {
	if run, err := s.unsettled(); err == nil && run == nil {
		if u, _ := Waiting(s.m, s.dir); u == nil {
			_ = s.m.Remove(s.net()) // it is torn, or of a run that is settled
		}
	}
	for _, pattern := range []string{".journal.json.postseal", ".unconfirmed.json.postseal", "receipts/.*.postseal", "staging/main.cf", "staging/master.cf", "staging/.ma*.cf.postseal", "backups/*/new-*", "backups/*/.*.postseal"} {
		s.remove(pattern)
	}
	paths, _ := s.m.Glob(filepath.Join(literal(s.dir), "backups", "*", "unfinished"))
	for _, p := range paths {
		id := filepath.Base(filepath.Dir(p))
		if _, err := s.m.Stat(s.receipt(id)); errors.Is(err, fs.ErrNotExist) {
			s.discard(id)
		}
	}
	folders, _ := s.m.Glob(filepath.Join(literal(s.dir), "backups", "*"))
	for _, dir := range folders {
		// Each old run has one: only what is empty is touched.
		if files, err := s.m.Glob(filepath.Join(literal(dir), "*")); err == nil && len(files) == 0 {
			_ = s.m.Remove(dir)
		}
	}
}

// tidy removes what a run has left that was killed when all was done, if there
// is anything and this user may.
func tidy(ctx context.Context, m host.Machine, stateDir, configDir string) {
	lock := filepath.Join(stateDir, "lock")
	if _, err := m.Stat(lock); err == nil {
		if release, err := m.Lock(lock); err == nil {
			store{m, stateDir}.sweep()
			_ = release()
		}
	}
	dropEditLocks(ctx, m, configDir)
}

// dropEditLocks removes the lock files of Postfix's files that nobody holds.
func dropEditLocks(ctx context.Context, m host.Machine, configDir string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for _, name := range []string{"main.cf", "master.cf"} {
		path := filepath.Join(configDir, name)
		if _, err := m.Stat(path + ".tmp"); err != nil {
			continue
		}
		if release, err := m.LockEdit(ctx, path); err == nil {
			_ = release() // which removes it
		}
	}
}

func (s store) put(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if _, err := s.m.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return remedy(s.m, path, err)
	}
	return remedy(s.m, path, s.m.Replace(path, append(data, '\n'), 0o600))
}

// read returns a file of the state folder. What stands there is carried out, so that
// nobody else may be able to change it.
func (s store) read(path string) ([]byte, error) {
	if err := host.Trusted(s.m, path, s.dir); err != nil {
		return nil, err
	}
	// Where the file was not there yet, another account can have made it since: ReadOwn
	// judges what it opens. It trusts the user who called sudo too, which holds for
	// files that the user names, and not for this one: that takes another look.
	data, err := s.m.ReadOwn(path)
	if err != nil {
		return nil, err
	}
	if err := host.Trusted(s.m, path, s.dir); err != nil {
		return nil, err
	}
	return data, nil
}

func (s store) get(path string) (*Receipt, error) {
	data, err := s.read(path)
	if err != nil {
		return nil, remedy(s.m, path, err)
	}
	var r Receipt
	err = json.Unmarshal(data, &r)
	if err == nil {
		err = r.check()
	}
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("reading %s: %w", path, err), "correct the file or move it away; without it, that run cannot be undone, and its old files stay in "+s.backups(""))
	}
	return &r, nil
}

// runID is the form of an ID: nextID makes it, and names of files are made of it.
var runID = regexp.MustCompile(`^[0-9A-Za-z-]{1,60}$`)

// check refuses a record that names what no run writes.
func (r *Receipt) check() error {
	if !runID.MatchString(r.ID) || r.Undoes != "" && !runID.MatchString(r.Undoes) {
		return fmt.Errorf("invalid run ID %.60q", r.ID)
	}
	if !filepath.IsAbs(r.ConfigDir) {
		return fmt.Errorf("%.60q is not a configuration directory", r.ConfigDir)
	}
	for _, e := range r.Entries {
		if err := e.Kind.CheckPath(r.ConfigDir, e.Path); err != nil {
			return err
		}
		for _, made := range e.Made {
			if !filepath.IsAbs(made) || filepath.Clean(made) != made || !strings.HasPrefix(e.Path, made+"/") {
				return fmt.Errorf("%.60q is not a directory of %s", made, e.Path)
			}
		}
	}
	return nil
}

// check refuses a record that names what no run writes.
func (u *Unconfirmed) check() error {
	if !runID.MatchString(u.Run) || !filepath.IsAbs(u.ConfigDir) || u.Timer != "" && u.Timer != timerOf(u.Run) {
		return fmt.Errorf("it is not a record of run %.60q on %.60q", u.Run, u.ConfigDir)
	}
	return nil
}

// literal is a path of which Glob takes every character for itself.
func literal(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// nextID makes the ID of a new run. The number counts, so that a clock that
// was set back does not change the order.
func (s store) nextID(now time.Time) (string, error) {
	n := 0
	for _, pattern := range []string{"receipts/*.json", "backups/*"} {
		paths, err := s.m.Glob(filepath.Join(literal(s.dir), pattern))
		if err != nil {
			return "", err
		}
		for _, p := range paths {
			var k int
			if _, err := fmt.Sscanf(filepath.Base(p), "%04d-", &k); err == nil {
				n = max(n, k)
			}
		}
	}
	return fmt.Sprintf("%04d-%s", n+1, now.UTC().Format(idTime)), nil
}

// idTime is how an ID says when its run was begun, after its number.
const idTime = "20060102-150405"

// digest is the SHA-256 of a file; "" if it does not exist.
func digest(m host.Reader, path string) (string, error) {
	data, err := m.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return plan.Digest(data), nil
}

// Old is a file as it was before a run.
type Old struct {
	Path string
	Kind plan.Kind
	Data []byte
}

// Replaced returns the files that a run changed, as they were before it, if they can be
// read.
func Replaced(m host.Machine, stateDir string, r *Receipt) (out []Old) {
	s := store{m, stateDir}
	for i, e := range r.Entries {
		if e.New {
			continue
		}
		if data, err := s.read(s.old(r.ID, i)); err == nil {
			out = append(out, Old{e.Path, e.Kind, data})
		}
	}
	return out
}
