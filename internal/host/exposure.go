package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Exposure is one way in which an account other than root and the user of this
// process decides what a path leads to.
type Exposure struct {
	// Path is the file, folder or symbolic link that is exposed.
	Path string
	Kind ExposureKind
	// UID and GID are its owner and group, Mode its type and permissions.
	UID, GID int
	Mode     fs.FileMode
}

// ExposureKind is who can change what a path leads to.
type ExposureKind int

// The kinds of exposure.
const (
	OwnedByOther  ExposureKind = iota // another account owns it
	GroupWritable                     // members of its group can write to it
	WorldWritable                     // every account can write to it
)

// String describes the exposure: "/srv/mail is owned by www-data".
func (e Exposure) String() string {
	path := e.Path
	if strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) {
		path = strconv.Quote(path)
	}
	switch e.Kind {
	case GroupWritable:
		return fmt.Sprintf("%s is writable by group %s", path, GroupName(e.GID))
	case WorldWritable:
		return path + " is writable by every user"
	}
	return fmt.Sprintf("%s is owned by %s", path, UserName(e.UID))
}

// Remedy is the command that ends the exposure, as words.
func (e Exposure) Remedy() []string {
	switch e.Kind {
	case GroupWritable:
		return []string{"chmod", "g-w", e.Path}
	case WorldWritable:
		return []string{"chmod", "o-w", e.Path}
	}
	return []string{"chown", "-h", "root", e.Path}
}

// UserName is the name of an account, or its number if it has none.
func UserName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return fmt.Sprintf("user %d", uid)
}

// GroupName is the name of a group, or its number if it has none.
func GroupName(gid int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return g.Name
	}
	return strconv.Itoa(gid)
}

// maxLinks is how many symbolic links the kernel follows in one path
// (path_resolution(7)).
const maxLinks = 40

// Exposed implements Reader.
func (l Local) Exposed(path string) ([]Exposure, error) { return exposed(path, nobodyElse()) }

// owners are the accounts that may decide what this process reads and writes.
type owners []int

// nobodyElse are root and the user of this process.
func nobodyElse() owners { return append(owners{0, os.Geteuid()}, outside()...) }

// outside is the number that stands for all accounts outside the user namespace of
// a container, unless an account of the container has it: no account inside can
// become one of those (user_namespaces(7)).
func outside() []int {
	ids, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return nil
	}
	overflow, err := os.ReadFile("/proc/sys/kernel/overflowuid")
	if err != nil {
		return nil
	}
	unmapped, err := strconv.Atoi(strings.TrimSpace(string(overflow)))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(ids)) {
		var first, there, count int
		if _, err := fmt.Sscan(line, &first, &there, &count); err != nil || unmapped >= first && unmapped < first+count {
			return nil
		}
	}
	return []int{unmapped}
}

// exposed walks a path from the root, follows its symbolic links, and collects
// what accounts other than those in o could change on the way. A path that does not
// exist is walked as far as it does.
func exposed(path string, o owners) (out []Exposure, err error) {
	if !filepath.IsAbs(path) {
		if path, err = filepath.Abs(path); err != nil {
			return nil, err
		}
	}
	seen, links := map[string]bool{}, 0
	rest, at := elements(path), "/"
	if err := look("/", o, seen, &out); err != nil {
		return out, err
	}
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		if name == ".." {
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, name)
		st, err := os.Lstat(next)
		if errors.Is(err, fs.ErrNotExist) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		if st.Mode()&fs.ModeSymlink != 0 {
			if links++; links > maxLinks {
				return out, &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
			}
			if err := look(next, o, seen, &out); err != nil {
				return out, err
			}
			to, err := os.Readlink(next)
			if err != nil {
				return out, err
			}
			if filepath.IsAbs(to) {
				at = "/"
			}
			rest = append(elements(to), rest...)
			continue
		}
		if err := look(next, o, seen, &out); err != nil {
			return out, err
		}
		at = next
	}
	return out, nil
}

func elements(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" || s == "." })
}

// look collects how one file, folder or link is exposed, once. Entries of a folder
// with the sticky bit can only be replaced by their owners, so that others may write
// to it.
func look(path string, o owners, seen map[string]bool, out *[]Exposure) error {
	if seen[path] {
		return nil
	}
	seen[path] = true
	st, err := os.Lstat(path)
	if err != nil {
		return err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return &fs.PathError{Op: "stat", Path: path, Err: errors.ErrUnsupported}
	}
	e := Exposure{Path: path, UID: int(sys.Uid), GID: int(sys.Gid), Mode: st.Mode()}
	add := func(k ExposureKind) { e.Kind = k; *out = append(*out, e) }
	if !slices.Contains(o, e.UID) {
		add(OwnedByOther)
	}
	link, sticky := st.Mode()&fs.ModeSymlink != 0, st.IsDir() && st.Mode()&fs.ModeSticky != 0
	switch {
	case link, sticky: // a link has no permissions of its own
	case st.Mode().Perm()&0o002 != 0:
		add(WorldWritable)
	case st.Mode().Perm()&0o020 != 0 && !emptyGroup(e.GID, o):
		add(GroupWritable)
	}
	return nil
}

// emptyGroup reports whether no account but those in o is in the group, as in the
// private group of root, and in groups such as Debian's staff as it is installed. It
// is false for a group that /etc/group does not list: its members are not known.
func emptyGroup(gid int, o owners) bool {
	groups, err := os.ReadFile("/etc/group")
	if err != nil {
		return false
	}
	users, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return false
	}
	id, known := strconv.Itoa(gid), false
	trusted := map[string]bool{}
	for line := range strings.Lines(string(users)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) < 4 {
			continue
		}
		uid, err := strconv.Atoi(f[2])
		if err == nil && slices.Contains(o, uid) {
			trusted[f[0]] = true
		} else if f[3] == id {
			return false
		}
	}
	for line := range strings.Lines(string(groups)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) < 4 || f[2] != id {
			continue
		}
		known = true
		for _, member := range strings.Split(f[3], ",") {
			if member != "" && !trusted[member] {
				return false
			}
		}
	}
	return known
}
