package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
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

// UserID is the number of an account.
func UserID(name string) (uid int, known bool) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, false
	}
	uid, err = strconv.Atoi(u.Uid)
	return uid, err == nil
}

// GroupName is the name of a group, or its number if it has none.
func GroupName(gid int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return g.Name
	}
	return strconv.Itoa(gid)
}

// Exposed implements Reader.
func (Local) Exposed(path string) ([]Exposure, error) { return nobodyElse().exposed(path) }

// exposed lists how accounts other than those in o can change what path leads to.
func (o owners) exposed(path string) ([]Exposure, error) {
	p, err := o.find(path, nil)
	switch {
	case err == nil:
		_ = p.Close()
	case p == nil:
		return nil, err
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	return p.exposed, err
}

// trust is Trusted for the accounts in o.
func (o owners) trust(path string) error {
	by, err := o.exposed(path)
	if err != nil {
		return fmt.Errorf("checking who can change %s: %w", path, err)
	}
	return exposedError(path, by)
}

// owners are the accounts that may decide what this process reads and writes.
type owners []int

// nobodyElse are root and the user of this process.
func nobodyElse() owners { return append(owners{0, os.Geteuid()}, outside()...) }

// caller adds the user who called this process through sudo(8), and so may name files
// of their own to it. What outlives the process must not rest on such files.
func caller() owners {
	o := nobodyElse()
	if uid, err := strconv.Atoi(os.Getenv("SUDO_UID")); err == nil && os.Geteuid() == 0 {
		o = append(o, uid)
	}
	return o
}

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

// exposures are how accounts other than those in o can change one file, folder or link.
func (o owners) exposures(path string, st *unix.Stat_t) (out []Exposure) {
	e := Exposure{Path: path, UID: int(st.Uid), GID: int(st.Gid), Mode: fileMode(st.Mode)}
	add := func(k ExposureKind) { e.Kind = k; out = append(out, e) }
	if !slices.Contains(o, e.UID) {
		add(OwnedByOther)
	}
	link, sticky := e.Mode&fs.ModeSymlink != 0, e.Mode.IsDir() && e.Mode&fs.ModeSticky != 0
	switch {
	case link, sticky: // a link has no permissions of its own
	case e.Mode.Perm()&0o002 != 0:
		add(WorldWritable)
	case e.Mode.Perm()&0o020 != 0 && !o.only(e.GID):
		add(GroupWritable)
	}
	return out
}

// fileMode is a mode of stat(2) as Go has it, as far as it counts here.
func fileMode(mode uint32) fs.FileMode {
	out := fs.FileMode(mode).Perm()
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		out |= fs.ModeDir
	case unix.S_IFLNK:
		out |= fs.ModeSymlink
	case unix.S_IFIFO:
		out |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		out |= fs.ModeSocket
	case unix.S_IFCHR:
		out |= fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFBLK:
		out |= fs.ModeDevice
	}
	if mode&unix.S_ISVTX != 0 {
		out |= fs.ModeSticky
	}
	return out
}

// only reports whether no account but those in o is in the group, as in the private
// group of root, and in groups such as Debian's staff as it is installed. It is false
// for a group that /etc/group does not list: its members are not known.
func (o owners) only(gid int) bool {
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
