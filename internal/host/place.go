package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"postseal/internal/hint"
)

// ErrExposed is the reason for which a file is not used: accounts other than root
// and the user of this process can change it.
var ErrExposed = errors.New("can be changed by other accounts")

// ErrStrangeLink is the reason for which a path is not written to: a symbolic link
// on the way belongs to another account, which so decides where it leads.
var ErrStrangeLink = errors.New("symbolic links of other accounts are not followed")

// place is where a path leads: an open folder and a name in it. What is done to it is
// done in that folder, whatever happens to the path meanwhile.
type place struct {
	dir  *os.File // only a handle on the folder (O_PATH in open(2))
	name string
	path string       // without symbolic links
	info *unix.Stat_t // nil if there is no such file
	// exposed is what accounts other than the trusted ones can change on the way.
	trusted owners
	exposed []Exposure
	// shared are the folders on the way in which everyone can put files.
	shared []string
}

func (p *place) Close() error { return p.dir.Close() }

// maxLinks is how many symbolic links the kernel follows in one path
// (path_resolution(7)).
const maxLinks = 40

// root is a handle on "/".
func root() (*os.File, error) { return os.OpenFile("/", unix.O_PATH|unix.O_DIRECTORY, 0) }

// find follows a path from the root, one handle after the other, so that nobody can
// exchange a part that was already looked at. missing is called for each folder on the
// way that does not exist; it may make it. If it is nil, that is fs.ErrNotExist, and
// the place is that of the missing folder. With an error, the place comes back closed,
// with what was seen on the way; it is nil if nothing was.
func (o owners) find(path string, missing func(*place) error) (_ *place, err error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	at, err := root()
	if err != nil {
		return nil, err
	}
	p := &place{dir: at, name: ".", path: "/", trusted: o}
	defer func() {
		if err != nil {
			_ = p.Close()
		}
	}()
	seen := map[string]bool{}
	if err := p.look(seen); err != nil {
		return p, err
	}
	folder, links, rest := "/", 0, elements(abs)
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		if name == ".." { // of a link: Abs has cleaned the path itself
			if err := p.enter(".."); err != nil {
				return p, err
			}
			folder = filepath.Dir(folder)
			p.name, p.path = ".", folder
			continue
		}
		p.name, p.path = name, filepath.Join(folder, name)
		err := p.look(seen)
		if errors.Is(err, fs.ErrNotExist) && len(rest) > 0 && missing != nil {
			if err = missing(p); err == nil {
				err = p.look(seen)
			}
		}
		switch {
		case errors.Is(err, fs.ErrNotExist) && len(rest) == 0:
			return p, nil
		case err != nil:
			return p, err
		case p.info.Mode&unix.S_IFMT == unix.S_IFLNK:
			if links++; links > maxLinks {
				return p, &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
			}
			to, err := p.readlink()
			if err != nil {
				return p, err
			}
			rest = append(elements(to), rest...)
			if filepath.IsAbs(to) {
				if at, err = root(); err != nil {
					return p, err
				}
				_ = p.dir.Close()
				p.dir, folder = at, "/"
			}
			p.name, p.path = ".", folder
		case len(rest) > 0:
			if err := p.enter(name); err != nil {
				return p, err
			}
			folder = p.path
		}
	}
	if p.name == "." {
		return p, p.look(seen)
	}
	return p, nil
}

func elements(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" || s == "." })
}

// enter makes a folder in the place the one that names are looked for in.
func (p *place) enter(name string) error {
	fd, err := unix.Openat(int(p.dir.Fd()), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: p.path, Err: err}
	}
	_ = p.dir.Close()
	p.dir = os.NewFile(uintptr(fd), p.path)
	return nil
}

// readlink is what the link in the place says.
func (p *place) readlink() (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(p.dir.Fd()), p.name, buf)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: p.path, Err: err}
	}
	return string(buf[:n]), nil
}

// stat looks what is in the place.
func (p *place) stat() error {
	var st unix.Stat_t
	p.info = nil
	if err := unix.Fstatat(int(p.dir.Fd()), p.name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &fs.PathError{Op: "lstat", Path: p.path, Err: err}
	}
	p.info = &st
	return nil
}

// look is stat, and adds how the place is exposed, once. Entries of a folder with the
// sticky bit can only be replaced by their owners, so that others may write to it.
func (p *place) look(seen map[string]bool) error {
	if err := p.stat(); err != nil {
		return err
	}
	if seen[p.path] {
		return nil
	}
	seen[p.path] = true
	granted, err := p.grants()
	if err != nil {
		return err
	}
	p.exposed = append(p.exposed, p.exposures(granted)...)
	if p.info.Mode&unix.S_IFMT == unix.S_IFDIR && p.info.Mode&(unix.S_ISVTX|0o002) != 0 {
		p.shared = append(p.shared, p.path)
	}
	return nil
}

// strangeLink is an error if a link of another account led here.
func (p *place) strangeLink() error {
	for _, e := range p.exposed {
		if e.Mode&fs.ModeSymlink != 0 {
			return hint.Wrap(fmt.Errorf("%w: %s", ErrStrangeLink, e), "remove the link, or use a directory that only you can write to")
		}
	}
	return nil
}

// Trusted is an error with the commands that mend it if an account other than root and
// the user of this process can change what path leads to. A path that does not exist is
// followed as far as it does. own are directories in which nothing but what postseal makes
// can be: root may take those over.
func Trusted(m Reader, path string, own ...string) error {
	by, err := m.Exposed(path)
	if err != nil {
		return fmt.Errorf("checking who can change %s: %w", path, err)
	}
	own = slices.Clone(own)
	for i, dir := range own {
		if resolved, err := m.Resolve(dir); err == nil {
			own[i] = resolved
		}
	}
	return exposedError(path, by, own...)
}

// exposedError is ErrExposed, with a remedy, if there are exposures.
func exposedError(path string, by []Exposure, own ...string) error {
	if len(by) == 0 {
		return nil
	}
	var texts []string
	var commands [][]string
	movable := false
	for _, e := range by {
		texts = append(texts, e.String())
		words := e.Remedy()
		if words == nil && slices.ContainsFunc(own, func(dir string) bool { return e.Path == dir || below(e.Path, dir) }) {
			words = []string{"chown", "-h", "root", e.Path}
		}
		if words == nil {
			movable = true
			continue
		}
		commands = append(commands, words)
	}
	err := fmt.Errorf("%s %w: %s", path, ErrExposed, strings.Join(texts, "; "))
	check := "use another file, or check its contents and "
	if len(own) > 0 {
		check = "check its contents and "
	}
	if movable { // commands alone would not end it
		return hint.Wrap(err, check+"move it to a directory that root owns")
	}
	return hint.Run(err, check+"run", commands...)
}

// open opens what is in the place, if it is a regular file. Nothing on the way is
// followed, and a named pipe is not waited for.
func (p *place) open(flags int, mode fs.FileMode) (*os.File, error) {
	if p.info != nil && p.info.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, &fs.PathError{Op: "open", Path: p.path, Err: ErrNotRegular} // opening a device can do something
	}
	fd, err := unix.Openat(int(p.dir.Fd()), p.name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, uint32(mode.Perm()))
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: p.path, Err: err}
	}
	f := os.NewFile(uintptr(fd), p.path)
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = ErrNotRegular
	}
	if err != nil {
		_ = f.Close()
		return nil, &fs.PathError{Op: "open", Path: p.path, Err: err}
	}
	p.info = &st
	return f, nil
}

// sync makes a rename or a removal in the folder survive a power cut.
func (p *place) sync() error {
	fd, err := unix.Openat(int(p.dir.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: filepath.Dir(p.path), Err: err}
	}
	d := os.NewFile(uintptr(fd), filepath.Dir(p.path))
	return errors.Join(d.Sync(), d.Close())
}

// ReadOwn implements Reader.
func (Local) ReadOwn(path string) ([]byte, error) {
	p, err := caller().find(path, nil)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	if p.info == nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: unix.ENOENT}
	}
	if p.info.Mode&unix.S_IFMT != unix.S_IFREG { // no chmod of /dev/null is to be proposed
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	if err := exposedError(path, p.exposed); err != nil {
		return nil, err
	}
	f, err := p.open(unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	granted, err := grants(p.info, func(attribute string, value []byte) (int, error) {
		return unix.Fgetxattr(int(f.Fd()), attribute, value)
	})
	if err != nil {
		return nil, &fs.PathError{Op: "getxattr", Path: path, Err: err}
	}
	if err := exposedError(path, p.exposures(granted)); err != nil { // it was exchanged
		return nil, err
	}
	return readAll(f, path)
}
