package lab

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// WWWData is the user ID of the neighbour: that of a web server on Debian.
const WWWData = 33

// CaddyFolder is where Caddy keeps the certificates of one CA, by a name that the
// account of Caddy chooses: this one becomes a line of main.cf if it is copied there
// as it is.
const CaddyFolder = "/var/lib/caddy/.local/share/caddy/certificates/a\nrelayhost = [203.0.113.66]\n#"

// Neighbour is a hostile second account of a machine. It plants links, named pipes,
// files and programs where root reads and writes, and it has tripwires around the files
// of root that must stay as they are.
//
// Paths are those of the machine; no symbolic link on the way to them is followed.
type Neighbour struct {
	t       testing.TB
	root    string // where the machine's "/" is, seen from here
	watched []string
	before  map[string]string
}

// NewNeighbour returns a neighbour on the machine whose root directory is root; "" is
// this machine.
func NewNeighbour(t testing.TB, root string) *Neighbour {
	t.Helper()
	NeedRoot(t)
	return &Neighbour{t: t, root: root}
}

func (n *Neighbour) at(path string) string { return n.root + path }

// must ends the test if something could not be planted.
func (n *Neighbour) must(errs ...error) {
	n.t.Helper()
	if err := errors.Join(errs...); err != nil {
		n.t.Fatal(err)
	}
}

// clear removes what is at a path, and makes the directories above it, which are root's.
func (n *Neighbour) clear(path string) string {
	n.t.Helper()
	p := n.at(path)
	n.must(os.RemoveAll(p), os.MkdirAll(filepath.Dir(p), 0o755))
	return p
}

// Folder makes an empty directory of the neighbour.
func (n *Neighbour) Folder(path string) {
	n.t.Helper()
	p := n.clear(path)
	n.must(os.Mkdir(p, 0o755), os.Chmod(p, 0o755), os.Chown(p, WWWData, WWWData))
}

// Sticky makes an empty directory of root that everybody may write to, such as /tmp.
func (n *Neighbour) Sticky(path string) {
	n.t.Helper()
	p := n.clear(path)
	n.must(os.Mkdir(p, 0o755), os.Chmod(p, 0o777|fs.ModeSticky))
}

// File makes a file of the neighbour.
func (n *Neighbour) File(path, text string, mode fs.FileMode) {
	n.t.Helper()
	p := n.clear(path)
	n.must(os.WriteFile(p, []byte(text), mode), os.Chown(p, WWWData, WWWData), os.Chmod(p, mode))
}

// Link makes a symbolic link of the neighbour.
func (n *Neighbour) Link(to, path string) {
	n.t.Helper()
	p := n.clear(path)
	n.must(os.Symlink(to, p), os.Lchown(p, WWWData, WWWData))
}

// Pipe makes a named pipe of the neighbour, to which nobody writes.
func (n *Neighbour) Pipe(path string) {
	n.t.Helper()
	p := n.clear(path)
	n.must(syscall.Mkfifo(p, 0o666), os.Chown(p, WWWData, WWWData), os.Chmod(p, 0o666))
}

// Endless makes a link of the neighbour to a device that never ends.
func (n *Neighbour) Endless(path string) {
	n.t.Helper()
	n.Link("/dev/zero", path)
}

// Take gives a file, or a directory with all that is in it, to the neighbour.
func (n *Neighbour) Take(path string) {
	n.t.Helper()
	n.must(filepath.WalkDir(n.at(path), func(p string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(p, WWWData, WWWData))
	}))
}

// Program makes a program of the neighbour that leaves a file at mark when root runs it,
// and then does what the real one does.
func (n *Neighbour) Program(path, mark, genuine string) {
	n.t.Helper()
	n.File(path, fmt.Sprintf("#!/bin/sh\n[ \"$(/usr/bin/id -u)\" != 0 ] || : > '%s'\nexec '%s' \"$@\"\n", mark, genuine), 0o755)
}

// Caddy makes a certificate directory of the neighbour whose name has lines of main.cf.
func (n *Neighbour) Caddy(c Issued) {
	n.t.Helper()
	n.Folder(CaddyFolder)
	n.File(CaddyFolder+"/mx.example.org/mx.example.org.crt", c.Cert, 0o644)
	n.File(CaddyFolder+"/mx.example.org/mx.example.org.key", c.Key, 0o600)
	n.Take(CaddyFolder)
}

// Forge adds lines to a log that the neighbour can write to by syslog(3) or by what it
// makes other programs log.
func (n *Neighbour) Forge(path string, lines ...string) error {
	f, err := os.OpenFile(n.at(path), os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NOFOLLOW, 0o640)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.Join(lines, "\n") + "\n")
	return errors.Join(err, f.Close())
}

// Watch puts tripwires around files and directories, and around paths at which nothing is.
func (n *Neighbour) Watch(paths ...string) {
	n.t.Helper()
	n.watched = append(n.watched, paths...)
	n.before = n.look()
}

// Tripped returns what has changed behind the tripwires since they were put there, or
// since the last call: content, mode, owner, what is new and what is gone.
func (n *Neighbour) Tripped() (out []string) {
	n.t.Helper()
	now := n.look()
	for _, p := range slices.Sorted(maps.Keys(now)) {
		switch old, known := n.before[p]; {
		case !known:
			out = append(out, fmt.Sprintf("%s is new: %s", p, now[p]))
		case old != now[p]:
			out = append(out, fmt.Sprintf("%s was %s and is %s", p, old, now[p]))
		}
	}
	for _, p := range slices.Sorted(maps.Keys(n.before)) {
		if _, there := now[p]; !there {
			out = append(out, p+" is gone")
		}
	}
	n.before = now
	return out
}

// look describes all that is behind the tripwires.
func (n *Neighbour) look() map[string]string {
	n.t.Helper()
	all := map[string]string{}
	for _, w := range n.watched {
		n.must(filepath.WalkDir(n.at(w), func(p string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // so it was before, or it is gone
			}
			if err != nil {
				return err
			}
			text, err := describe(p)
			all[strings.TrimPrefix(p, n.root)] = text
			return err
		}))
	}
	return all
}

// describe tells mode, owner and content of what is at a path.
func describe(path string) (string, error) {
	st, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	text := st.Mode().String()
	text += fmt.Sprintf(" of %d", Owner(st))
	switch {
	case st.Mode().IsRegular():
		b, err := os.ReadFile(path)
		return text + fmt.Sprintf(", sha256 %.8x", sha256.Sum256(b)), err
	case st.Mode()&fs.ModeSymlink != 0:
		to, err := os.Readlink(path)
		return text + ", to " + to, err
	}
	return text, nil
}

// Owner returns the user ID of the owner of a file, or -1 where that is not known.
func Owner(st fs.FileInfo) int {
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid)
	}
	return -1
}
