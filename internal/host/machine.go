// Package host is the computer that postseal looks at and changes, as an
// interface: the real one, one that refuses to be changed, one that records
// what was asked of it, and a fake for tests.
//
// It knows no Postfix beyond the lock that `postconf -e` takes, and it makes
// no decisions.
package host

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"time"
)

// Reader is what can be asked of a machine without changing it.
type Reader interface {
	// ReadFile returns the whole file. It fails with ErrTooLarge beyond MaxFile,
	// and with ErrNotRegular for anything but a regular file.
	ReadFile(path string) ([]byte, error)
	// ReadTail returns what follows the first from bytes of a growing file, at
	// most MaxFile of it. A file that has become shorter is read from its start.
	ReadTail(path string, from int64) ([]byte, error)
	// Open opens a regular file of any size, to read parts of it.
	Open(path string) (File, error)
	// Stat follows symbolic links.
	Stat(path string) (Info, error)
	// Resolve follows symbolic links to a path that has none.
	Resolve(path string) (string, error)
	// Readlink returns what a symbolic link says; it fails for all else.
	Readlink(path string) (string, error)
	// ReadOwn is ReadFile for a file that decides what this process does. It fails
	// with ErrExposed, and a hint, if an account other than root, the user of this
	// process and the user who called it by sudo(8) can change the file or what leads
	// to it.
	ReadOwn(path string) ([]byte, error)
	// Exposed lists how accounts other than root and the user of this process can
	// change what path leads to: by owning it, a folder or a link on the way, or by
	// being allowed to write there. It is empty if nobody else can. A path that does
	// not exist is followed as far as it does.
	Exposed(path string) ([]Exposure, error)
	// ReadDir returns the names in a folder, in no order, and at most most of them.
	ReadDir(path string, most int) ([]string, error)
	// Glob is filepath.Glob.
	Glob(pattern string) ([]string, error)
	// Run runs a program that changes nothing, without a shell and in the C
	// locale. A program that ends with another code than 0 is no error here.
	Run(ctx context.Context, name string, args ...string) (Output, error)
	// Stream is Run for a program that prints more than fits in memory. It fails if the
	// program ends with another code than 0. If take fails, the program is ended.
	Stream(ctx context.Context, take func(io.Reader) error, name string, args ...string) error
	// LookUp asks one DNS server (address and port) one question, with the DO
	// bit, and does not cache.
	LookUp(ctx context.Context, server, name string, qtype uint16) (Answer, error)
	// Dial opens a connection.
	Dial(ctx context.Context, network, addr string) (net.Conn, error)
	// UID is the effective user.
	UID() int
	Now() time.Time
}

// Machine is a machine that can be changed.
type Machine interface {
	Reader
	// Replace puts a file in place in one step: a reader sees the old bytes or
	// the new ones, also after a power cut. An existing file keeps its owner,
	// mode, extended attributes and place (symbolic links are followed, but not
	// those of other accounts: ErrStrangeLink); a new one gets mode and this
	// process's owner.
	Replace(path string, data []byte, mode fs.FileMode) error
	// ReplaceSecret is Replace for a file that holds a private key: whatever it
	// was before, it is 0600 and this process's own afterwards.
	ReplaceSecret(path string, data []byte) error
	// Save writes a file that the user has named, in one step. It has this mode and
	// belongs to this process afterwards. A file of another account is not replaced.
	Save(path string, data []byte, mode fs.FileMode) error
	// MkdirAll makes a folder, and its parents with mode 0755, whatever the umask.
	// made are those that were not there, outermost first.
	MkdirAll(path string, mode fs.FileMode) (made []string, err error)
	// Remove removes a file or an empty folder.
	Remove(path string) error
	// LockEdit waits for the lock under which `postconf -e` edits path, and
	// holds it until release is called. See edit_file(3) in the Postfix source.
	LockEdit(ctx context.Context, path string) (release func() error, err error)
	// Lock takes an exclusive lock on a file of our own, or fails with
	// ErrLocked at once.
	Lock(path string) (release func() error, err error)
	// Act runs a program that changes something; else as Run.
	Act(ctx context.Context, name string, args ...string) (Output, error)
	// Detach starts a program that goes on when this one, and its terminal,
	// have ended. Nobody hears what it says.
	Detach(name string, args ...string) error
}

// MaxFile is the size in bytes up to which files are read. Configuration and
// certificates are far smaller; whatever is larger is not what it should be.
const MaxFile = 4 << 20

// Errors that a caller decides on.
var (
	ErrTooLarge   = errors.New("file is larger than 4 MiB")
	ErrNotRegular = errors.New("not a regular file")
	ErrLocked     = errors.New("locked by another process")
	ErrReadOnly   = errors.New("this run changes nothing")
)

// Info is what Stat tells.
type Info struct {
	Mode     fs.FileMode
	UID, GID int
	// Grants are what its permissions allow its group and those that its access control
	// list names. With a list, the bits of the group in Mode are only its mask.
	Grants  []Grant
	Size    int64
	ModTime time.Time
}

// Output is what a program left.
type Output struct {
	Stdout, Stderr string
	Code           int
}

// Answer is a DNS answer.
type Answer struct {
	// RCode is the response code as a word: "NOERROR", "NXDOMAIN", "SERVFAIL".
	RCode string
	// AD says that the server says that it validated the answer (RFC 4035).
	AD bool
	// Authoritative says that the server serves the zone itself (AA, RFC 1035).
	Authoritative bool
	// Records are the answers of the type asked for, in presentation form
	// without owner, class and TTL.
	Records []string
	// Alias is the name that the records belong to, without a final dot, if the
	// one asked for is an alias (CNAME); they may be missing there.
	Alias string
	// TTL is how long such an answer may be kept by those who ask, in seconds:
	// that of the zone, if a signature tells it (RFC 4034, section 3.1.4), and
	// else what is left of it here.
	TTL uint32
}
