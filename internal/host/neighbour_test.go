package host_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"postseal/internal/host"
	"postseal/internal/lab"
)

// theirs makes a folder that www-data owns.
func theirs(t *testing.T) string {
	t.Helper()
	lab.NeedRoot(t)
	dir := filepath.Join(lab.Dir(t), "theirs")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Chown(dir, wwwData, wwwData)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, path, text string, mode os.FileMode, uid int) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path, []byte(text), mode), os.Chown(path, uid, uid), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, to, path string, uid int) {
	t.Helper()
	if err := errors.Join(os.Symlink(to, path), os.Lchown(path, uid, uid)); err != nil {
		t.Fatal(err)
	}
}

// TestLinksOfOthers: no kind of writing goes where the link of another account leads,
// be it a file or a folder on the way, whatever fs.protected_symlinks is.
func TestLinksOfOthers(t *testing.T) {
	dir, ours := theirs(t), lab.Dir(t)
	victim := filepath.Join(ours, "victim")
	write(t, victim, "old", 0o600, 0)
	symlink(t, victim, filepath.Join(dir, "file"), wwwData)
	symlink(t, ours, filepath.Join(dir, "folder"), wwwData)
	m := host.Local{}
	for name, act := range map[string]func(string) error{
		"Replace":       func(p string) error { return m.Replace(p, []byte("new"), 0o644) },
		"ReplaceSecret": func(p string) error { return m.ReplaceSecret(p, []byte("new")) },
		"Save":          func(p string) error { return m.Save(p, []byte("new"), 0o644) },
		"MkdirAll":      func(p string) error { _, err := m.MkdirAll(p+"/a/b", 0o755); return err },
		"Remove":        func(p string) error { return m.Remove(p + "/victim") },
		"Lock":          func(p string) error { _, err := m.Lock(p); return err },
		"LockEdit":      func(p string) error { _, err := m.LockEdit(context.Background(), p+"/main.cf"); return err },
	} {
		for _, p := range []string{"file", "folder/victim", "folder"} {
			if err := act(filepath.Join(dir, p)); err == nil {
				t.Errorf("%s %s went through", name, p)
			}
		}
	}
	left, _ := filepath.Glob(filepath.Join(ours, "*"))
	if b, err := os.ReadFile(victim); string(b) != "old" || err != nil || len(left) != 1 {
		t.Errorf("the victim holds %q (%v); beside it %q", b, err, left)
	}
	// A link that root has made is the administrator's own.
	symlink(t, victim, filepath.Join(dir, "roots"), 0)
	if err := m.Replace(filepath.Join(dir, "roots"), []byte("new"), 0o600); err != nil {
		t.Error(err)
	}
}

// TestSave: a saved file is ours with the given mode, and no file of another account,
// and nothing but a regular file, is replaced.
func TestSave(t *testing.T) {
	dir := lab.Dir(t)
	if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil { // as /tmp
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "planted"), "theirs", 0o666, wwwData)
	write(t, filepath.Join(dir, "again"), "ours", 0o644, 0)
	if err := unix.Mkfifo(filepath.Join(dir, "pipe"), 0o666); err != nil {
		t.Fatal(err)
	}
	for name, ok := range map[string]bool{"new": true, "again": true, "planted": false, "pipe": false, ".": false, "none/new": false} {
		p := filepath.Join(dir, name)
		err := (host.Local{}).Save(p, []byte("plan"), 0o600)
		if (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
		if !ok {
			continue
		}
		st, err := (host.Local{}).Stat(p)
		if err != nil || st.Mode.Perm() != 0o600 || st.UID != os.Geteuid() {
			t.Errorf("%s: %+v, %v", name, st, err)
		}
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "planted")); string(b) != "theirs" {
		t.Errorf("a file of another account holds %q", b)
	}
}

// TestReadOwn: what decides what we do is ours alone. With sudo, the file may be that
// of the user who called it.
func TestReadOwn(t *testing.T) {
	dir := lab.Dir(t)
	lab.NeedRoot(t)
	t.Setenv("SUDO_UID", "1234")
	for name, c := range map[string]struct {
		mode os.FileMode
		uid  int
		ok   bool
	}{
		"ours": {0o600, 0, true}, "readable": {0o644, 0, true}, "of the caller": {0o600, 1234, true},
		"theirs": {0o600, wwwData, false}, "writable": {0o602, 0, false},
	} {
		p := filepath.Join(dir, name)
		write(t, p, "x", c.mode, c.uid)
		if _, err := (host.Local{}).ReadOwn(p); (err == nil) != c.ok || err != nil && !errors.Is(err, host.ErrExposed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (host.Local{}).ReadOwn(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, "/dev/null"} {
		if _, err := (host.Local{}).ReadOwn(path); !errors.Is(err, host.ErrNotRegular) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestLockInTheWay: what lies under the name of Postfix's lock file and is no lock file
// of root is removed, and never waited for; nothing else is taken for our own lock.
func TestLockInTheWay(t *testing.T) {
	lab.NeedRoot(t)
	for name, plant := range map[string]func(string) error{
		"named pipe": func(p string) error { return unix.Mkfifo(p, 0o600) },
		"device":     func(p string) error { return unix.Mknod(p, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5))) },
		"socket":     func(p string) error { return unix.Mknod(p, unix.S_IFSOCK|0o600, 0) },
		"link":       func(p string) error { return os.Symlink("/dev/zero", p) },
		"dangling":   func(p string) error { return os.Symlink("none", p) },
		"theirs, locked": func(p string) error {
			write(t, p, "", 0o600, wwwData)
			f, err := os.OpenFile(p, os.O_WRONLY, 0)
			if err == nil {
				t.Cleanup(func() { _ = f.Close() })
				err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
			}
			return err
		},
		"empty folder": func(p string) error { return os.Mkdir(p, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := lab.Dir(t)
			main := lab.Write(t, dir, "main.cf", "", 0o644)
			if err := plant(main + ".tmp"); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			release, err := (host.Local{}).LockEdit(ctx, main)
			if err != nil {
				t.Fatal(err)
			}
			if err := release(); err != nil {
				t.Error(err)
			}
			_ = os.RemoveAll(main + ".tmp")
			if err := plant(filepath.Join(dir, "lock")); err != nil {
				t.Fatal(err)
			}
			if name == "theirs, locked" || name == "dangling" {
				return // the state directory, and so a link in it, is ours alone
			}
			if _, err := (host.Local{}).Lock(filepath.Join(dir, "lock")); err == nil {
				t.Error("it was taken for our own lock")
			}
		})
	}
}

// TestLockExchanged: a file of another account that came into the place of the lock file
// is no lock, and no lock is made beside a folder that does not exist.
func TestLockExchanged(t *testing.T) {
	dir := lab.Dir(t)
	lab.NeedRoot(t)
	p := filepath.Join(dir, "main.cf.tmp")
	for uid, want := range map[int]bool{0: true, wwwData: false} {
		write(t, p, "", 0o600, uid)
		f, err := os.OpenFile(p, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := host.HoldsLock(p, f); got != want || err != nil {
			t.Errorf("of %d: %v, %v", uid, got, err)
		}
		if _, err := os.Lstat(p); (err == nil) != want {
			t.Errorf("of %d: it is left or removed: %v", uid, err)
		}
		_ = f.Close()
		_ = os.Remove(p)
	}
	if _, err := (host.Local{}).LockEdit(context.Background(), filepath.Join(dir, "none", "main.cf")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// TestRace: while another account exchanges a folder for a link and back, nothing
// appears where the link leads, however often we write.
func TestRace(t *testing.T) {
	dir, ours := theirs(t), lab.Dir(t)
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	if err := os.Mkdir(a, 0o755); err != nil {
		t.Fatal(err)
	}
	symlink(t, ours, b, wwwData)
	var stop atomic.Bool
	done := make(chan int)
	go func() {
		n := 0
		for ; !stop.Load() && n < 1_000_000; n++ {
			_ = unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
		}
		done <- n
	}()
	through := 0
	for range 2000 {
		if (host.Local{}).Replace(filepath.Join(a, "x"), []byte("x"), 0o644) == nil {
			through++
		}
		_, _ = (host.Local{}).MkdirAll(filepath.Join(a, "y", "z"), 0o755)
		_ = (host.Local{}).Remove(filepath.Join(a, "x"))
	}
	stop.Store(true)
	if n := <-done; n < 100 || through == 0 {
		t.Fatalf("no race: %d exchanges, %d of 2000 written", n, through)
	}
	if left, _ := filepath.Glob(filepath.Join(ours, "*")); len(left) > 0 {
		t.Errorf("written through the link: %q", left)
	}
}

// TestUmask: what is made has its mode, whatever the umask of the caller.
func TestUmask(t *testing.T) {
	for _, mask := range []int{0, 0o022, 0o027, 0o077} {
		old := unix.Umask(mask)
		dir := t.TempDir()
		_, errMkdir := (host.Local{}).MkdirAll(filepath.Join(dir, "a", "b"), 0o750)
		errSave := (host.Local{}).Save(filepath.Join(dir, "a", "s"), nil, 0o644)
		errReplace := (host.Local{}).Replace(filepath.Join(dir, "a", "r"), nil, 0o644)
		unix.Umask(old)
		if err := errors.Join(errMkdir, errSave, errReplace); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]fs.FileMode{"a": 0o755, "a/b": 0o750, "a/s": 0o644, "a/r": 0o644} {
			if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Mode().Perm() != want {
				t.Errorf("umask %03o: %s is %v, %v", mask, name, st.Mode(), err)
			}
		}
	}
}
