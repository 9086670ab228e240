package apply

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"postseal/internal/hint"
	"postseal/internal/host"
)

// TestRemedyQuotes: the commands are about the file, whatever its name is.
func TestRemedyQuotes(t *testing.T) {
	for _, why := range []error{syscall.EPERM, syscall.EBUSY, syscall.EISDIR, syscall.ENOSPC} {
		err := Remedy(host.Local{}, &fs.PathError{Op: "rename", Path: "/x;touch y\x1b[2J/z;touch y", Err: why})
		text := hint.Of(err)
		if strings.ContainsRune(text, '\x1b') || !strings.Contains(text, `"$(printf -- '/x;touch y\033[2J`) {
			t.Errorf("%v: %s", why, text)
		}
	}
}

// TestUnreadableRecord: where something other than a file lies in place of a record, the
// error says what to type.
func TestUnreadableRecord(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "receipts", "0001-20261130-120000.json")
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := History(host.Local{}, dir, "")
	if want := "ls -ld " + path; !strings.HasPrefix(hint.Of(err), want) {
		t.Errorf("receipt: %v, hint: %q", err, hint.Of(err))
	}
	if err := os.Mkdir(filepath.Join(dir, "journal.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = Pending(host.Local{}, dir)
	if want := "ls -ld " + filepath.Join(dir, "journal.json"); !strings.HasPrefix(hint.Of(err), want) {
		t.Errorf("journal: %v, hint: %q", err, hint.Of(err))
	}
}
