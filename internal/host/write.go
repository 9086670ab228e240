package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// cool is how far the time of a replaced file is set back. Postfix programs
// re-read a main.cf that is younger than two seconds every 0.3 s, because its
// writer might still be at work (dict_load_file_xt in the source). Ours is
// not: the file appears whole. Without this, a reload takes two seconds.
const cool = 3 * time.Second

// Replace implements Machine.
func (Local) Replace(path string, data []byte, mode fs.FileMode) error {
	return replace(path, data, mode, true)
}

// ReplaceSecret implements Machine.
func (Local) ReplaceSecret(path string, data []byte) error {
	return replace(path, data, 0o600, false)
}

// Temp is the file that Replace writes before it takes the place of path. One
// fixed name per file: what a crash leaves behind is used again, and cannot
// pile up.
func Temp(path string) string {
	dir, base := filepath.Split(path)
	return filepath.Join(dir, "."+base+".postseal")
}

// replace does the work; keep is whether an existing file keeps its owner,
// mode and attributes.
func replace(path string, data []byte, mode fs.FileMode, keep bool) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("replacing %s: %w", path, err)
		}
	}()
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		target, err = path, nil
	}
	if err != nil {
		return err
	}
	old, err := os.Lstat(target)
	exists := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if exists && !old.Mode().IsRegular() {
		return ErrNotRegular
	}
	// It is created anew, so that no link planted under the name is followed,
	// and nobody else can have it open.
	dir, tmp := filepath.Dir(target), Temp(target)
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(tmp)
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if exists && keep {
		mode = old.Mode().Perm()
		if err := keepOwner(f, target); err != nil {
			return err
		}
		copyAttributes(f, target)
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	then := time.Now().Add(-cool)
	if err := os.Chtimes(tmp, then, then); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(tmp, target); err != nil {
		return err
	}
	return syncDir(dir)
}

func keepOwner(f *os.File, target string) error {
	var st unix.Stat_t
	if err := unix.Stat(target, &st); err != nil {
		return err
	}
	return f.Chown(int(st.Uid), int(st.Gid))
}

// copyAttributes carries ACLs and labels over. A file system without them, or
// an attribute that only the kernel may set, is no reason to stop.
func copyAttributes(f *os.File, target string) {
	names := make([]byte, 4096)
	n, err := unix.Listxattr(target, names)
	if err != nil {
		return
	}
	for _, name := range splitNUL(names[:n]) {
		value := make([]byte, 64<<10)
		if n, err := unix.Getxattr(target, name, value); err == nil {
			_ = unix.Fsetxattr(int(f.Fd()), name, value[:n], 0)
		}
	}
}

func splitNUL(b []byte) (out []string) {
	start := 0
	for i, c := range b {
		if c == 0 {
			out = append(out, string(b[start:i]))
			start = i + 1
		}
	}
	return out
}

// syncDir makes a rename or a removal in dir survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// MkdirAll implements Machine.
func (Local) MkdirAll(path string, mode fs.FileMode) (made []string, err error) {
	for p := filepath.Clean(path); ; p = filepath.Dir(p) {
		if _, err := os.Stat(p); err == nil {
			break
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		made = append([]string{p}, made...)
	}
	for i, p := range made {
		m := fs.FileMode(0o755)
		if i == len(made)-1 {
			m = mode
		}
		if err := os.Mkdir(p, m); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		if err := syncDir(filepath.Dir(p)); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// Remove implements Machine.
func (Local) Remove(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// LockEdit implements Machine. The lock is an flock on path.tmp, which has
// mode 0600 while it is held. Postfix renames that file into place; we leave
// it where it is and replace the real file beside it, so that the lock holds
// through the whole transaction, and symbolic links stay.
func (Local) LockEdit(ctx context.Context, path string) (func() error, error) {
	name := path + ".tmp"
	for {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		if err := flock(ctx, f); err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		ours, err := owned(f, name)
		if err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		if !ours {
			_ = f.Close() // another editor renamed or removed it while we waited
			continue
		}
		return func() error {
			err := os.Remove(name)
			return errors.Join(err, f.Close())
		}, nil
	}
}

// owned says whether the locked f is still what name stands for, and is as an
// editor leaves it: anything else under the name is removed, as Postfix does.
func owned(f *os.File, name string) (bool, error) {
	a, err := f.Stat()
	if err != nil {
		return false, err
	}
	b, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(a, b) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false, err
	}
	if !b.Mode().IsRegular() || b.Mode().Perm() != 0o600 || st.Nlink > 1 {
		return false, os.Remove(name)
	}
	return true, nil
}

// flock waits for an exclusive lock, looking ten times a second whether the
// wait has been given up.
func flock(ctx context.Context, f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrLocked, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Lock implements Machine.
func (Local) Lock(path string) (func() error, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return f.Close, nil
}
