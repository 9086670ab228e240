package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Grant is what one entry of an access control list (acl(5)) allows, as far as the mask
// of the list lets it.
type Grant struct {
	Group bool // ID is that of a group, else of an account
	ID    int
	Perm  fs.FileMode // 4 to read, 2 to write, 1 to execute
}

func (g Grant) String() string {
	if g.Group {
		return "group " + GroupName(g.ID)
	}
	return UserName(g.ID)
}

// The extended attribute of an access control list: a version, then entries of a tag,
// permissions and a number, in little endian (linux/posix_acl_xattr.h).
const (
	aclAttribute = "system.posix_acl_access"
	aclVersion   = 2
	aclHeader    = 4
	aclEntry     = 8

	aclUser     = 0x02
	aclGroupObj = 0x04
	aclGroup    = 0x08
	aclMask     = 0x10
)

// errACL is the error of an access control list that is not of the kernel's form.
var errACL = errors.New("its access control list cannot be read")

// decodeACL lists what an access control list grants to others than the owner and
// everyone; gid is the group of the file.
func decodeACL(b []byte, gid int) (out []Grant, err error) {
	if len(b) < aclHeader || (len(b)-aclHeader)%aclEntry != 0 || binary.LittleEndian.Uint32(b) != aclVersion {
		return nil, errACL
	}
	mask := fs.FileMode(0o7)
	for b = b[aclHeader:]; len(b) > 0; b = b[aclEntry:] {
		perm, id := fs.FileMode(binary.LittleEndian.Uint16(b[2:]))&0o7, int(binary.LittleEndian.Uint32(b[4:]))
		switch binary.LittleEndian.Uint16(b) {
		case aclUser:
			out = append(out, Grant{ID: id, Perm: perm})
		case aclGroup:
			out = append(out, Grant{Group: true, ID: id, Perm: perm})
		case aclGroupObj:
			out = append(out, Grant{Group: true, ID: gid, Perm: perm})
		case aclMask:
			mask = perm
		}
	}
	for i := range out {
		out[i].Perm &= mask
	}
	return out, nil
}

// grants are what the permissions of a file allow others than its owner and everyone:
// its group, and the entries of its access control list, if it has one. Then the bits
// of the group in its mode are the mask of the list, and without them nothing is
// granted. getxattr is that of the file.
func grants(st *unix.Stat_t, getxattr func(attribute string, value []byte) (int, error)) ([]Grant, error) {
	mask := fs.FileMode(st.Mode) >> 3 & 0o7
	if mask == 0 || st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return nil, nil
	}
	value := make([]byte, 64<<10) // XATTR_SIZE_MAX
	n, err := getxattr(aclAttribute, value)
	switch {
	case errors.Is(err, unix.ENODATA), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
		return []Grant{{Group: true, ID: int(st.Gid), Perm: mask}}, nil
	case err != nil:
		return nil, err
	}
	return decodeACL(value[:n], int(st.Gid))
}

// grants are those of what is in the place.
func (p *place) grants() ([]Grant, error) {
	out, err := grants(p.info, func(attribute string, value []byte) (int, error) {
		n, err := unix.Lgetxattr(fmt.Sprintf("/proc/self/fd/%d/%s", p.dir.Fd(), p.name), attribute, value)
		if errors.Is(err, fs.ErrNotExist) { // without /proc
			n, err = unix.Lgetxattr(p.path, attribute, value)
		}
		return n, err
	})
	if err != nil {
		return nil, &fs.PathError{Op: "getxattr", Path: p.path, Err: err}
	}
	return out, nil
}
