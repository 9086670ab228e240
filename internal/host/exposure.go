package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
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
	// Writers are the groups and accounts that can write to it, if Kind is GroupWritable.
	Writers []Grant

	// theirs is whether it is in a folder that is exposed too.
	theirs bool
}

// ExposureKind is who can change what a path leads to.
type ExposureKind int

// The kinds of exposure.
const (
	OwnedByOther  ExposureKind = iota // another account owns it
	GroupWritable                     // members of its group, or those that its access control list names, can write to it
	WorldWritable                     // every account can write to it
)

// String describes the exposure: "/srv/mail is owned by www-data".
func (e Exposure) String() string {
	path := e.Path
	if strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) {
		path = strconv.Quote(path)
	}
	if e.Kind == OwnedByOther {
		return path + " is owned by " + e.Who()
	}
	return path + " is writable by " + e.Who()
}

// Who are the accounts that can make a change: "www-data", "group mail", "every user".
func (e Exposure) Who() string {
	switch e.Kind {
	case GroupWritable:
		var writers []string
		for _, g := range e.Writers {
			writers = append(writers, g.String())
		}
		return strings.Join(writers, " and ")
	case WorldWritable:
		return "every user"
	}
	return UserName(e.UID)
}

// Remedy is the command that ends the exposure, as words. There is none for a folder of
// another account, which may be its home or the data of its service, nor for what it
// owns in a folder that is exposed. Without write permission of the group, an access
// control list grants none either: the bits of the group are its mask.
func (e Exposure) Remedy() []string {
	switch {
	case e.Kind == GroupWritable:
		return []string{"chmod", "g-w", e.Path}
	case e.Kind == WorldWritable && slices.Contains([]string{"/tmp", "/var/tmp", "/dev/shm"}, e.Path): // which everyone is to write to
		return []string{"chmod", "+t", e.Path}
	case e.Kind == WorldWritable && e.Mode.Perm()&0o020 != 0: // else the group would still be reported after it
		return []string{"chmod", "go-w", e.Path}
	case e.Kind == WorldWritable:
		return []string{"chmod", "o-w", e.Path}
	case e.Mode.IsDir() || e.theirs:
		return nil
	}
	return []string{"chown", "-h", "root", e.Path}
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
type owners struct {
	uids []int
	// unmapped stands for the accounts outside a container, or is -1.
	unmapped int
	// accounts is the machine that knows who is in which group.
	accounts Reader
}

// nobodyElse are root and the user of this process.
func nobodyElse() owners {
	ids, _ := os.ReadFile("/proc/self/uid_map")
	overflow, _ := os.ReadFile("/proc/sys/kernel/overflowuid")
	return owners{[]int{0, os.Geteuid()}, unmapped(string(ids), string(overflow)), Local{}}
}

// caller adds the user who called this process through sudo(8), and so may name files
// of their own to it. What outlives the process must not rest on such files.
func caller() owners {
	o := nobodyElse()
	if uid, err := strconv.Atoi(os.Getenv("SUDO_UID")); err == nil && os.Geteuid() == 0 {
		o.uids = append(o.uids, uid)
	}
	return o
}

// unmapped is the number as which the files of all accounts outside the user namespace
// of a container appear, or -1 if an account of the container has it, or if nothing is
// outside (user_namespaces(7)). No account inside can become one of those, but accounts
// of the host and of other containers are among them, and cannot be told from the root
// of the host, who owns what is mounted into the container.
func unmapped(uidMap, overflow string) int {
	n, err := strconv.Atoi(strings.TrimSpace(overflow))
	if err != nil {
		return -1
	}
	for line := range strings.Lines(uidMap) {
		var first, there, count int
		if _, err := fmt.Sscan(line, &first, &there, &count); err != nil || n >= first && n < first+count {
			return -1
		}
	}
	if uidMap == "" {
		return -1
	}
	return n
}

// trusts reports whether an account may own a file. shared is whether the file is in a
// folder, at whatever depth, that accounts put files in, such as /tmp: there, one of a
// number that stands for many may be that of any of them.
func (o owners) trusts(uid int, shared bool) bool {
	return slices.Contains(o.uids, uid) || uid == o.unmapped && uid >= 0 && !shared
}

// trustsMembers reports whether no account but those in o is in a group.
func (o owners) trustsMembers(gid int, shared bool) bool {
	g := GroupByID(o.accounts, gid)
	return g.Known && !slices.ContainsFunc(g.Members, func(a Account) bool { return !o.trusts(a.UID, shared) })
}

// exposures are how other accounts can change what is in the place, whose permissions
// grant something to others than its owner and everyone.
func (p *place) exposures(granted []Grant) (out []Exposure) {
	e := Exposure{Path: p.path, UID: int(p.info.Uid), GID: int(p.info.Gid), Mode: fileMode(p.info.Mode)}
	e.theirs = slices.ContainsFunc(p.exposed, func(above Exposure) bool { return above.Mode.IsDir() && below(p.path, above.Path) })
	shared := p.isShared()
	if !p.trusted.trusts(e.UID, shared) {
		e.Kind = OwnedByOther
		out = append(out, e)
	}
	if e.Mode&fs.ModeSymlink != 0 || e.Mode.IsDir() && e.Mode&fs.ModeSticky != 0 { // a link has no permissions of its own
		return out
	}
	if e.Mode.Perm()&0o002 != 0 {
		e.Kind = WorldWritable
		return append(out, e)
	}
	for _, g := range granted {
		known := !g.Group && p.trusted.trusts(g.ID, shared) || g.Group && p.trusted.trustsMembers(g.ID, shared)
		if g.Perm&0o2 != 0 && !known {
			e.Writers = append(e.Writers, g)
		}
	}
	if len(e.Writers) > 0 {
		e.Kind = GroupWritable
		out = append(out, e)
	}
	return out
}

// isShared reports whether the place is below a folder in which everyone can put files.
func (p *place) isShared() bool {
	return slices.ContainsFunc(p.shared, func(folder string) bool { return below(p.path, folder) })
}

// below reports whether a path without symbolic links is below a folder.
func below(path, folder string) bool {
	return path != folder && strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
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
