package host

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Fake is a machine made of a folder, for tests and for trees that cannot
// run: paths lie below Root, programs and DNS answer from tables.
type Fake struct {
	Local
	// Root stands for "/".
	Root string
	// Programs maps a command line, words joined by one blank, to what it
	// leaves. Others are not found.
	Programs map[string]Output
	// DNS maps "NAME TYPE" to an answer. Others time out.
	DNS map[string]Answer
	// Deny are paths that this user may not read.
	Deny []string
	// User is the effective user, Clock the time.
	User  int
	Clock time.Time
}

func (f *Fake) at(path string) string { return filepath.Join(f.Root, path) }

// ReadFile implements Reader.
func (f *Fake) ReadFile(path string) ([]byte, error) {
	if slices.Contains(f.Deny, path) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
	}
	return f.Local.ReadFile(f.at(path))
}

// ReadTail implements Reader.
func (f *Fake) ReadTail(path string, from int64) ([]byte, error) {
	return f.Local.ReadTail(f.at(path), from)
}

// Stat implements Reader.
func (f *Fake) Stat(path string) (Info, error) { return f.Local.Stat(f.at(path)) }

// Resolve implements Reader.
func (f *Fake) Resolve(path string) (string, error) {
	p, err := f.Local.Resolve(f.at(path))
	return strings.TrimPrefix(p, f.Root), err
}

// Readlink implements Reader.
func (f *Fake) Readlink(path string) (string, error) {
	p, err := f.Local.Readlink(f.at(path))
	return strings.TrimPrefix(p, f.Root), err
}

// ReadOwn implements Reader.
func (f *Fake) ReadOwn(path string) ([]byte, error) {
	if slices.Contains(f.Deny, path) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
	}
	return f.Local.ReadOwn(f.at(path))
}

// Exposed implements Reader.
func (f *Fake) Exposed(path string) ([]Exposure, error) {
	o := nobodyElse()
	o.accounts = f
	all, err := o.exposed(f.at(path))
	var out []Exposure
	for _, e := range all {
		if rest, below := strings.CutPrefix(e.Path, f.Root+"/"); below {
			e.Path = "/" + rest
			out = append(out, e)
		}
	}
	return out, err
}

// ReadDir implements Reader.
func (f *Fake) ReadDir(path string, most int) ([]string, error) {
	return f.Local.ReadDir(f.at(path), most)
}

// Glob implements Reader.
func (f *Fake) Glob(pattern string) ([]string, error) {
	found, err := f.Local.Glob(f.at(pattern))
	for i := range found {
		found[i] = strings.TrimPrefix(found[i], f.Root)
	}
	return found, err
}

// Run implements Reader.
func (f *Fake) Run(_ context.Context, name string, args ...string) (Output, error) {
	o, ok := f.Programs[strings.Join(append([]string{name}, args...), " ")]
	if !ok {
		return Output{}, &exec.Error{Name: name, Err: exec.ErrNotFound}
	}
	return o, nil
}

// Act implements Machine.
func (f *Fake) Act(ctx context.Context, name string, args ...string) (Output, error) {
	return f.Run(ctx, name, args...)
}

// Detach implements Machine.
func (f *Fake) Detach(name string, args ...string) error {
	_, err := f.Run(context.Background(), name, args...)
	return err
}

// LookUp implements Reader.
func (f *Fake) LookUp(_ context.Context, server, name string, qtype uint16) (Answer, error) {
	a, ok := f.DNS[name+" "+typeName(qtype)]
	if !ok {
		return Answer{}, errors.New("asking " + server + ": no answer")
	}
	return a, nil
}

// Dial implements Reader: nothing listens.
func (f *Fake) Dial(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("connection refused")
}

// UID implements Reader.
func (f *Fake) UID() int { return f.User }

// Now implements Reader.
func (f *Fake) Now() time.Time { return f.Clock }

// Replace implements Machine.
func (f *Fake) Replace(path string, data []byte, mode fs.FileMode) error {
	return f.Local.Replace(f.at(path), data, mode)
}

// ReplaceSecret implements Machine.
func (f *Fake) ReplaceSecret(path string, data []byte) error {
	return f.Local.ReplaceSecret(f.at(path), data)
}

// Save implements Machine.
func (f *Fake) Save(path string, data []byte, mode fs.FileMode) error {
	return f.Local.Save(f.at(path), data, mode)
}

// MkdirAll implements Machine.
func (f *Fake) MkdirAll(path string, mode fs.FileMode) ([]string, error) {
	made, err := f.Local.MkdirAll(f.at(path), mode)
	for i := range made {
		made[i] = strings.TrimPrefix(made[i], f.Root)
	}
	return made, err
}

// Remove implements Machine.
func (f *Fake) Remove(path string) error { return f.Local.Remove(f.at(path)) }

// LockEdit implements Machine.
func (f *Fake) LockEdit(ctx context.Context, path string) (func() error, error) {
	return f.Local.LockEdit(ctx, f.at(path))
}

// Lock implements Machine.
func (f *Fake) Lock(path string) (func() error, error) { return f.Local.Lock(f.at(path)) }
