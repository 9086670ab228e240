package apply_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/host"
)

// TestPendingInTheWay: a journal that is no file is an error that says what to do.
func TestPendingInTheWay(t *testing.T) {
	state := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(state, "journal.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := apply.Pending(host.Local{}, state)
	if !errors.Is(err, host.ErrNotRegular) || !strings.Contains(hint.Of(err), "move it away") {
		t.Errorf("%v, hint: %s", err, hint.Of(err))
	}
}

// FuzzRecord reads arbitrary bytes as a journal, as a receipt and as what stands of
// a run that waits: nothing panics, and every path that comes of it is one that is
// in the file.
func FuzzRecord(f *testing.F) {
	for _, s := range []string{
		"", "null", "[]", "{}", "{", `{"files": null}`, `{"files": [null]}`, `{"phase": "kept"}`,
		`{"id": "0001-20261130-120000", "kind": "apply", "phase": "written", "config_dir": "/etc/postfix", "files": [{"path": "/etc/postfix/main.cf", "kind": "main.cf", "before": "aa", "after": "bb", "mode": 420, "made": ["/etc/postseal"]}]}`,
		`{"id": "0001-20261130-120000", "kind": "apply", "phase": "kept", "config_dir": "/etc/postfix", "confirm_by": "2026-11-30T12:00:00Z", "files": []}`,
		`{"id": "0001-20261130-120000", "kind": "undo", "undoes": "0001-20261130-120000", "phase": "reverting", "files": [{"path": "", "made": [""]}]}`,
		`{"id": "../../etc", "kind": "apply", "phase": "kept", "config_dir": "x", "confirm_by": "9999-12-31T23:59:59Z", "files": [{"path": "../main.cf"}]}`,
		`{"run": "0001-20261130-120000", "config_dir": "/etc/postfix", "by": "2026-11-30T12:00:00Z", "timer": "x", "boot": "y", "written": {"/etc/postfix/main.cf": "YQ=="}}`,
		`{"run": "", "by": null, "written": {"main.cf": null}, "failure": "\u0000", "again": "2026-11-30T12:00:00Z"}`,
	} {
		f.Add([]byte(s))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, name := range []string{"journal.json", "receipts/0001-20261130-120000.json", "unconfirmed.json"} {
			state := filepath.Join(dir, "state")
			if err := os.RemoveAll(state); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(state, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			readAll(t, host.Local{}, state, data)
		}
	})
}

// readAll asks everything that is read from a state folder.
func readAll(t *testing.T, m host.Reader, state string, data []byte) {
	t.Helper()
	const id = "0001-20261130-120000"
	records := func(all []*apply.Receipt, err error) {
		for _, r := range all {
			if err == nil && r != nil {
				checkPaths(t, r, data)
				_, _, _ = r.Ways(m, state), r.Unfinishable(m, state), r.Unproved()
			}
		}
	}
	one := func(r *apply.Receipt, err error) { records([]*apply.Receipt{r}, err) }
	one(apply.Pending(m, state))
	one(apply.Last(m, state, ""))
	one(apply.Newest(m, state, "/etc/postfix"))
	one(apply.Record(m, state, "", id))
	one(apply.Fate(m, state, "/etc/postfix", id))
	records(apply.History(m, state, ""))
	records(apply.Standing(m, state, "/etc/postfix"))
	_, _ = apply.Interrupted(m, state), apply.Busy(m, state)
	if u, err := apply.Waiting(m, state); err == nil && u != nil {
		_, _, _ = u.Stands(m.Now()), u.Err(state, m.Now()), u.Ways(state)
	}
}

// checkPaths looks for paths that are not in the file that was read.
func checkPaths(t *testing.T, r *apply.Receipt, data []byte) {
	t.Helper()
	for _, e := range r.Entries {
		for _, path := range append([]string{e.Path}, e.Made...) {
			quoted, err := json.Marshal(path)
			if err != nil {
				t.Fatal(err)
			}
			plain := bytes.Trim(quoted, `"`)
			if !filepath.IsAbs(path) {
				t.Errorf("%q is no absolute path", path) // fails until store.get refuses such a record
			} else if !bytes.Contains(data, plain) && !bytes.Contains(data, []byte(`\`)) {
				t.Errorf("%q is not in the file", path)
			}
		}
	}
}
