package host_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"postseal/internal/host"
)

// TestUnlock: a released lock is free at once, although a child that is being started
// at that moment still has a copy of its descriptor.
func TestUnlock(t *testing.T) {
	m := host.Local{}
	dir := t.TempDir()
	for path, lock := range map[string]func() (func() error, error){
		filepath.Join(dir, "lock"):        func() (func() error, error) { return m.Lock(filepath.Join(dir, "lock")) },
		filepath.Join(dir, "main.cf.tmp"): func() (func() error, error) { return m.LockEdit(context.Background(), filepath.Join(dir, "main.cf")) },
	} {
		release, err := lock()
		if err != nil {
			t.Fatal(err)
		}
		again, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		child := copyOf(t, path, int(again.Fd()))
		defer unix.Close(child)
		if err := unix.Flock(int(again.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			t.Errorf("%s: not locked at all", path)
		}
		if err := release(); err != nil {
			t.Fatal(err)
		}
		if err := unix.Flock(int(again.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			t.Errorf("%s: still locked through the copy: %v", path, err)
		}
	}
}

// copyOf duplicates this process's other descriptor of a file, as fork(2) does.
func copyOf(t *testing.T, path string, but int) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range names {
		n, err := strconv.Atoi(e.Name())
		if to, _ := os.Readlink("/proc/self/fd/" + e.Name()); err != nil || n == but || to != path {
			continue
		}
		child, err := unix.Dup(n)
		if err != nil {
			t.Fatal(err)
		}
		return child
	}
	t.Fatalf("%s is not open", path)
	return -1
}
