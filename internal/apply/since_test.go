package apply_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"postseal/internal/apply"
	"postseal/internal/lab"
	"postseal/internal/plan"
)

// TestEditedSince: only what differs from the newest run that wrote it counts as edited.
func TestEditedSince(t *testing.T) {
	m := lab.Machine(t, "3.7.11", map[string]string{"main.cf": "a = b\n", "master.cf": "new\n"})
	entry := func(path, text string) apply.Entry {
		return apply.Entry{Path: path, Kind: plan.MainCF, After: plan.Digest([]byte(text))}
	}
	runs := []*apply.Receipt{
		{ID: "3", Phase: apply.RolledBack, Entries: []apply.Entry{entry("/etc/postfix/main.cf", "never written\n")}},
		{ID: "2", Phase: apply.Kept, Entries: []apply.Entry{entry("/etc/postfix/main.cf", "a = b\n"), entry("/gone", "x")}},
		{ID: "1", Phase: apply.Kept, Entries: []apply.Entry{entry("/etc/postfix/main.cf", "older\n"), entry("/etc/postfix/master.cf", "old\n")}},
	}
	got := apply.Edited(m, runs)
	if len(got) != 2 || got[0].Path != "/gone" || !got[0].Gone || got[1].Path != "/etc/postfix/master.cf" || got[1].Gone || got[1].When.IsZero() {
		t.Errorf("%+v", got)
	}
}

// TestGraded: the grades stand in the record of the run, beside all that was there.
func TestGraded(t *testing.T) {
	m := lab.Machine(t, "3.7.11", map[string]string{"main.cf": "a = b\n"})
	dir := "/var/lib/postseal"
	record := `{"id": "0001-20261130-100000", "kind": "apply", "phase": "kept", "config_dir": "/etc/postfix", "failure": "kept too", "files": []}`
	if err := os.MkdirAll(filepath.Join(m.Root, dir, "receipts"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.Root, dir, "receipts", "0001-20261130-100000.json"), []byte(record), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := apply.Graded(context.Background(), m, dir, "0001-20261130-100000", map[string]string{"Receiving": "A"}); err != nil {
		t.Fatal(err)
	}
	all, err := apply.History(m, dir, "/etc/postfix")
	if err != nil || len(all) != 1 || all[0].Grades["Receiving"] != "A" || all[0].Failure != "kept too" {
		t.Errorf("%+v, %v", all, err)
	}
	if err := apply.Graded(context.Background(), m, dir, "0002-20261130-100000", nil); err == nil {
		t.Error("a run that is not there is graded")
	}
}
