package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// Local is this computer.
type Local struct{}

// runTime bounds every program: the slowest, `postfix reload` on a main.cf
// that was just written, takes two to three seconds.
const runTime = 60 * time.Second

// searchPath is where the programs are; the PATH of a user often lacks sbin.
var searchPath = []string{"/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin", "/sbin", "/bin"}

// ReadFile implements Reader.
func (Local) ReadFile(path string) ([]byte, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, path)
}

// openRegular opens a regular file to read it. It looks at the type through a handle
// (O_PATH in open(2)) first: opening a watchdog, a tape or a named pipe does something.
func openRegular(path string) (*os.File, error) {
	handle, err := os.OpenFile(path, unix.O_PATH, 0)
	if err != nil {
		return nil, err
	}
	defer handle.Close()
	st, err := handle.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: ErrNotRegular}
	}
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", handle.Fd()), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) { // without /proc
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// readAll reads an open regular file, up to MaxFile.
func readAll(f *os.File, path string) ([]byte, error) {
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular():
		return nil, &fs.PathError{Op: "read", Path: path, Err: ErrNotRegular}
	case st.Size() > MaxFile:
		return nil, &fs.PathError{Op: "read", Path: path, Err: ErrTooLarge}
	}
	b, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err == nil && len(b) > MaxFile {
		err = &fs.PathError{Op: "read", Path: path, Err: ErrTooLarge}
	}
	return b, err
}

// ReadTail implements Reader.
func (Local) ReadTail(path string, from int64) ([]byte, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: ErrNotRegular}
	}
	if st.Size() < from {
		from = 0
	}
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, MaxFile))
}

// Stat implements Reader.
func (Local) Stat(path string) (Info, error) {
	st, err := os.Stat(path)
	if err != nil {
		return Info{}, err
	}
	i := Info{Mode: st.Mode(), Size: st.Size(), ModTime: st.ModTime()}
	var u unix.Stat_t
	if err := unix.Stat(path, &u); err != nil {
		return Info{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	i.UID, i.GID = int(u.Uid), int(u.Gid)
	i.Grants, err = grants(&u, func(attribute string, value []byte) (int, error) {
		return unix.Getxattr(path, attribute, value)
	})
	if err != nil {
		return Info{}, &fs.PathError{Op: "getxattr", Path: path, Err: err}
	}
	return i, nil
}

// Resolve implements Reader.
func (Local) Resolve(path string) (string, error) { return filepath.EvalSymlinks(path) }

// Readlink implements Reader.
func (Local) Readlink(path string) (string, error) { return os.Readlink(path) }

// ReadDir implements Reader.
func (Local) ReadDir(path string, most int) ([]string, error) {
	if most <= 0 {
		return nil, nil
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(most)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return names, err
}

// Glob implements Reader.
func (Local) Glob(pattern string) ([]string, error) { return filepath.Glob(pattern) }

// Run implements Reader.
func (Local) Run(ctx context.Context, name string, args ...string) (Output, error) {
	return run(ctx, name, args)
}

// Act implements Machine.
func (Local) Act(ctx context.Context, name string, args ...string) (Output, error) {
	return run(ctx, name, args)
}

// Detach implements Machine.
func (Local) Detach(name string, args ...string) error {
	path, err := find(name)
	if err != nil {
		return err
	}
	cmd := exec.Command(path, args...)
	cmd.Env = Environ()
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	go func() { _ = cmd.Wait() }()
	return nil
}

func run(ctx context.Context, name string, args []string) (Output, error) {
	path, err := find(name)
	if err != nil {
		return Output{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, runTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = Environ()
	cmd.WaitDelay = 2 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &limited{w: &out}, &limited{w: &errs}
	err = cmd.Run()
	o := Output{Stdout: out.String(), Stderr: errs.String(), Code: cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	if ctx.Err() != nil {
		return o, fmt.Errorf("running %s: %w", name, cut{ctx.Err()})
	}
	// What a program leaves behind may keep its output open, as the postsuper(1) of a
	// reload does: that is no failure of the program.
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		return o, fmt.Errorf("running %s: %w", name, err)
	}
	return o, nil
}

// cut is the error of a context, of a program that it ended, in plain words.
type cut struct{ error }

func (c cut) Error() string {
	if errors.Is(c.error, context.Canceled) {
		return "interrupted"
	}
	return "it did not finish in time"
}

func (c cut) Unwrap() error { return c.error }

// find returns the path of a program: an absolute name as it stands, and any other from
// PATH, then from searchPath. A program that another account can change is never taken,
// wherever it lies, for root may be about to run it. An absolute name may be this
// program itself, which the user who called it by sudo(8) may own.
func find(name string) (string, error) {
	if filepath.IsAbs(name) {
		path, err := exec.LookPath(name)
		if err != nil {
			return "", fmt.Errorf("running %s: %w", name, exec.ErrNotFound)
		}
		if err := caller().trust(path); err != nil {
			return "", fmt.Errorf("running %s: %w", name, err)
		}
		return path, nil
	}
	var refused error
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), searchPath...) {
		if !filepath.IsAbs(dir) {
			continue
		}
		path, err := exec.LookPath(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		if err := nobodyElse().trust(path); err == nil {
			return path, nil
		} else if refused == nil {
			refused = err
		}
	}
	if refused != nil {
		return "", fmt.Errorf("running %s: %w", name, refused)
	}
	return "", fmt.Errorf("running %s: %w", name, exec.ErrNotFound)
}

// Environ is the environment of every program that is run: what it needs to find
// files, in the C locale. Nothing else of ours is handed on: no MAIL_CONFIG or
// MAIL_DEBUG, since which instance is meant is always said with -c, and no secret that
// a caller or a DNS provider has in a variable.
func Environ() []string {
	env := []string{"PATH=" + strings.Join(searchPath, ":"), "LC_ALL=C"}
	for _, name := range []string{"HOME", "TZ", "TMPDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// limited drops what a program prints beyond MaxFile.
type limited struct {
	w *bytes.Buffer
}

func (l *limited) Write(p []byte) (int, error) {
	if room := MaxFile - l.w.Len(); room > 0 {
		l.w.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// LookUp implements Reader.
func (Local) LookUp(ctx context.Context, server, name string, qtype uint16) (Answer, error) {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), qtype)
	m.SetEdns0(1232, true)
	m.AuthenticatedData = true // RFC 6840 section 5.7: tell me about AD
	c := &dns.Client{Timeout: 3 * time.Second}
	r, _, err := c.ExchangeContext(ctx, m, server)
	if err == nil && r.Truncated {
		c.Net = "tcp"
		r, _, err = c.ExchangeContext(ctx, m, server)
	}
	if err != nil {
		return Answer{}, fmt.Errorf("asking %s for %s %s: %w", server, name, typeName(qtype), err)
	}
	a := Answer{RCode: dns.RcodeToString[r.Rcode], AD: r.AuthenticatedData, Authoritative: r.Authoritative}
	for _, rr := range r.Answer {
		if rr.Header().Rrtype == qtype {
			a.Records = append(a.Records, strings.TrimPrefix(rr.String(), rr.Header().String()))
			a.TTL = max(a.TTL, rr.Header().Ttl)
		}
		if c, ok := rr.(*dns.CNAME); ok && qtype != dns.TypeCNAME {
			a.Alias = strings.TrimSuffix(strings.ToLower(c.Target), ".") // the last one: a chain comes in its order
		}
		if s, ok := rr.(*dns.RRSIG); ok && s.TypeCovered == qtype {
			a.TTL = max(a.TTL, s.OrigTtl)
		}
	}
	return a, nil
}

// Dial implements Reader.
func (Local) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, addr)
}

// UID implements Reader.
func (Local) UID() int { return os.Geteuid() }

// Now implements Reader.
func (Local) Now() time.Time { return time.Now() }

// typeName is "TLSA" for 52.
func typeName(qtype uint16) string { return dns.TypeToString[qtype] }
