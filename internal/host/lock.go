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

// LockEdit implements Machine. The lock is an flock on path.tmp, which has
// mode 0600 while it is held. Postfix renames that file into place; we leave
// it where it is and replace the real file beside it, so that the lock holds
// through the whole transaction, and symbolic links stay.
func (Local) LockEdit(ctx context.Context, path string) (func() error, error) {
	release, err := lockEdit(ctx, path+".tmp")
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return release, nil
}

func lockEdit(ctx context.Context, name string) (func() error, error) {
	for try := 0; try < maxTries; try++ {
		p, err := nobodyElse().find(filepath.Dir(name), nil)
		if err != nil {
			return nil, err
		}
		if err = p.strangeLink(); err == nil {
			err = p.enter(p.name)
		}
		if err != nil {
			_ = p.Close()
			return nil, err
		}
		base := filepath.Base(name)
		p.name, p.path, p.info = base, filepath.Join(p.path, base), nil
		f, ours, err := p.lock(ctx)
		if err != nil {
			_ = p.Close()
			return nil, err
		}
		if !ours {
			_ = p.Close() // another editor renamed or removed it while we waited
			continue
		}
		return func() error { return errors.Join(p.unlink(), unlock(f), p.Close()) }, nil
	}
	return nil, fmt.Errorf("%s is replaced again and again: %w", name, ErrLocked)
}

// lock opens the lock file in the place and waits for its lock. ours is false if it
// is not what an editor leaves, or not there any more: then it is closed, and removed
// as Postfix does it.
func (p *place) lock(ctx context.Context) (f *os.File, ours bool, err error) {
	err = p.stat()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, false, err
	}
	if p.info != nil && (p.info.Mode&unix.S_IFMT != unix.S_IFREG || !p.trusts(p.info)) {
		// A named pipe would not be opened before somebody reads from it, and the
		// lock of another account would perhaps never be released.
		return nil, false, p.unlink()
	}
	f, err = p.open(unix.O_WRONLY|unix.O_CREAT, 0o600)
	if errors.Is(err, ErrNotRegular) || errors.Is(err, unix.ELOOP) { // it was exchanged meanwhile
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer func() {
		if !ours {
			_ = f.Close()
		}
	}()
	if !p.trusts(p.info) { // it was exchanged meanwhile, and its owner may hold its lock
		return nil, false, p.unlink()
	}
	if err := flock(ctx, f); err != nil {
		return nil, false, err
	}
	ours, err = p.stillHolds(f)
	return f, ours, err
}

// stillHolds reports whether the locked f is still what the place holds, and is as an
// editor leaves it: anything else under the name is removed, as Postfix does.
func (p *place) stillHolds(f *os.File) (bool, error) {
	var locked unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &locked); err != nil {
		return false, err
	}
	err := p.stat()
	if errors.Is(err, fs.ErrNotExist) || err == nil && (p.info.Ino != locked.Ino || p.info.Dev != locked.Dev) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if locked.Mode&0o777 != 0o600 || locked.Nlink > 1 || !p.trusts(&locked) {
		return false, p.unlink()
	}
	return true, nil
}

// trusts reports whether a file in the place belongs to a trusted account.
func (p *place) trusts(st *unix.Stat_t) bool { return p.trusted.trusts(int(st.Uid), p.isShared()) }

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
	release, err := lock(path)
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return release, nil
}

func lock(path string) (release func() error, err error) {
	p, err := nobodyElse().find(path, nil)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	if err := p.strangeLink(); err != nil {
		return nil, err
	}
	f, err := p.open(unix.O_RDWR|unix.O_CREAT, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, err
	}
	return func() error { return unlock(f) }, nil
}

// unlock releases the lock and closes the file. Closing alone is not enough: a child that
// is just being started has a copy of the descriptor until it executes its program, and
// the lock belongs to all copies (flock(2)).
func unlock(f *os.File) error {
	return errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_UN), f.Close())
}
