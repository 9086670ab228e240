package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"postseal/internal/hint"
)

// cool is how far the time of a replaced file is set back. Postfix programs
// re-read a main.cf that is younger than two seconds every 0.3 s, because its
// writer might still be at work (dict_load_file_xt in the source). Ours is
// not: the file appears whole. Without this, a reload takes two seconds.
const cool = 3 * time.Second

// maxTries is how often something is tried again that another process undoes
// meanwhile.
const maxTries = 100

// Replace implements Machine.
func (Local) Replace(path string, data []byte, mode fs.FileMode) error {
	return replacing(path, replace(path, data, mode, true))
}

// ReplaceSecret implements Machine.
func (Local) ReplaceSecret(path string, data []byte) error {
	return replacing(path, replace(path, data, 0o600, false))
}

// Save implements Machine.
func (Local) Save(path string, data []byte, mode fs.FileMode) error {
	p, err := caller().find(path, nil)
	if err != nil {
		return saving(path, err)
	}
	defer p.Close()
	if err := p.strangeLink(); err != nil {
		return saving(path, err)
	}
	if p.info != nil {
		if by := p.exposures(nil); len(by) > 0 && by[0].Kind == OwnedByOther {
			return saving(path, hint.New("it exists, but "+by[0].String(), "give the name of a new file"))
		}
	}
	return saving(path, p.write(data, mode, false))
}

func replacing(path string, err error) error {
	if err != nil {
		err = fmt.Errorf("replacing %s: %w", path, err)
	}
	return err
}

func saving(path string, err error) error {
	if err != nil {
		err = fmt.Errorf("saving %s: %w", path, err)
	}
	return err
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
func replace(path string, data []byte, mode fs.FileMode, keep bool) error {
	p, err := nobodyElse().find(path, nil)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.strangeLink(); err != nil {
		return err
	}
	return p.write(data, mode, keep)
}

// write puts a file in the place in one step. It is written beside it and anew, so
// that no link planted under the name is followed, and nobody else can have it open.
func (p *place) write(data []byte, mode fs.FileMode, keep bool) (err error) {
	if p.info != nil && p.info.Mode&unix.S_IFMT != unix.S_IFREG {
		return ErrNotRegular
	}
	dir, tmp := int(p.dir.Fd()), filepath.Base(Temp(p.path))
	var fd int
	for try := 0; ; try++ {
		if err := unix.Unlinkat(dir, tmp, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return &fs.PathError{Op: "remove", Path: Temp(p.path), Err: err}
		}
		fd, err = unix.Openat(dir, tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) || try == maxTries {
			return &fs.PathError{Op: "open", Path: Temp(p.path), Err: err}
		}
	}
	f := os.NewFile(uintptr(fd), Temp(p.path))
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = unix.Unlinkat(dir, tmp, 0)
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if p.info != nil && keep {
		mode = fileMode(p.info.Mode).Perm()
		if err := f.Chown(int(p.info.Uid), int(p.info.Gid)); err != nil {
			return err
		}
		p.copyAttributes(f)
	}
	if err := f.Chmod(mode); err != nil { // whatever the umask
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	then := unix.NsecToTimeval(time.Now().Add(-cool).UnixNano())
	if err := unix.Futimes(fd, []unix.Timeval{then, then}); err != nil {
		return os.NewSyscallError("futimes", err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := unix.Renameat(dir, tmp, dir, p.name); err != nil {
		return &os.LinkError{Op: "rename", Old: Temp(p.path), New: p.path, Err: err}
	}
	return p.sync()
}

// copyAttributes carries ACLs and labels of the old file over. A file system without
// them, or an attribute that only the kernel may set, is no reason to stop.
func (p *place) copyAttributes(f *os.File) {
	old, err := p.open(unix.O_RDONLY, 0)
	if err != nil {
		return
	}
	defer old.Close()
	names := make([]byte, 4096)
	n, err := unix.Flistxattr(int(old.Fd()), names)
	if err != nil {
		return
	}
	for _, name := range splitNUL(names[:n]) {
		value := make([]byte, 64<<10)
		if n, err := unix.Fgetxattr(int(old.Fd()), name, value); err == nil {
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

// MkdirAll implements Machine.
func (Local) MkdirAll(path string, mode fs.FileMode) ([]string, error) {
	made, err := mkdirAll(path, mode)
	if err != nil {
		return nil, fmt.Errorf("making %s: %w", path, err)
	}
	return made, nil
}

func mkdirAll(path string, mode fs.FileMode) (made []string, err error) {
	mkdir := func(p *place, mode fs.FileMode) error {
		if err := p.strangeLink(); err != nil {
			return err
		}
		err := p.mkdir(mode)
		if errors.Is(err, fs.ErrExist) { // of another process that makes it too
			return nil
		}
		if err == nil {
			made = append(made, p.path)
		}
		return err
	}
	p, err := nobodyElse().find(path, func(p *place) error { return mkdir(p, 0o755) })
	if err != nil {
		return nil, err
	}
	defer p.Close()
	if p.info == nil {
		if err := mkdir(p, mode); err != nil {
			return nil, err
		}
	} else if p.info.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil, &fs.PathError{Op: "mkdir", Path: p.path, Err: unix.ENOTDIR}
	}
	return made, nil
}

// mkdir makes a folder in the place, whatever the umask.
func (p *place) mkdir(mode fs.FileMode) error {
	dir := int(p.dir.Fd())
	if err := unix.Mkdirat(dir, p.name, 0o700); err != nil {
		return &fs.PathError{Op: "mkdir", Path: p.path, Err: err}
	}
	fd, err := unix.Openat(dir, p.name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: p.path, Err: err}
	}
	f := os.NewFile(uintptr(fd), p.path)
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: p.path, Err: err}
	}
	if int(st.Uid) != os.Geteuid() { // it was exchanged: it is not ours to open to others
		return &fs.PathError{Op: "mkdir", Path: p.path, Err: fs.ErrPermission}
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	return p.sync()
}

// Remove implements Machine.
func (Local) Remove(path string) error {
	p, err := nobodyElse().find(filepath.Dir(path), nil) // a link itself is removed
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.strangeLink(); err != nil {
		return fmt.Errorf("removing %s: %w", path, err)
	}
	if p.info == nil {
		return &fs.PathError{Op: "remove", Path: path, Err: fs.ErrNotExist}
	}
	if err := p.enter(p.name); err != nil {
		return err
	}
	p.name, p.path = filepath.Base(path), filepath.Join(p.path, filepath.Base(path))
	if err := p.unlink(); err != nil {
		return err
	}
	return p.sync()
}

// unlink removes what is in the place: a file, a link, or an empty folder.
func (p *place) unlink() error {
	dir := int(p.dir.Fd())
	err := unix.Unlinkat(dir, p.name, 0)
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EPERM) {
		if failed := unix.Unlinkat(dir, p.name, unix.AT_REMOVEDIR); !errors.Is(failed, unix.ENOTDIR) {
			err = failed
		}
	}
	if err != nil {
		return &fs.PathError{Op: "remove", Path: p.path, Err: err}
	}
	return nil
}
