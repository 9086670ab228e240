package host_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"postseal/internal/host"
)

// TestReadDir: a folder is listed up to a bound, and a named pipe in its place is not
// waited for.
func TestReadDir(t *testing.T) {
	dir := t.TempDir()
	for i := range 5 {
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for most, want := range map[int]int{0: 0, 3: 3, 9: 5} {
		if names, err := (host.Local{}).ReadDir(dir, most); err != nil || len(names) != want {
			t.Errorf("at most %d: %q, %v", most, names, err)
		}
	}
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (host.Local{}).ReadDir(pipe, 9); err == nil {
		t.Error("a named pipe is listed")
	}
	if names, err := (host.Local{}).ReadDir(t.TempDir(), 9); err != nil || len(names) != 0 {
		t.Errorf("empty: %q, %v", names, err)
	}
}
