package host

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
)

// ReadOnly is a machine that refuses every change with ErrReadOnly. What only
// looks is given such a machine, so that a mistake cannot write.
type ReadOnly struct{ Reader }

// Replace implements Machine.
func (ReadOnly) Replace(path string, _ []byte, _ fs.FileMode) error { return refuse("replace", path) }

// ReplaceSecret implements Machine.
func (ReadOnly) ReplaceSecret(path string, _ []byte) error { return refuse("replace", path) }

// Save implements Machine.
func (ReadOnly) Save(path string, _ []byte, _ fs.FileMode) error { return refuse("save", path) }

// MkdirAll implements Machine.
func (ReadOnly) MkdirAll(path string, _ fs.FileMode) ([]string, error) {
	return nil, refuse("mkdir", path)
}

// Remove implements Machine.
func (ReadOnly) Remove(path string) error { return refuse("remove", path) }

// LockEdit implements Machine.
func (ReadOnly) LockEdit(_ context.Context, path string) (func() error, error) {
	return nil, refuse("lock", path)
}

// Lock implements Machine.
func (ReadOnly) Lock(path string) (func() error, error) { return nil, refuse("lock", path) }

// Act implements Machine.
func (ReadOnly) Act(_ context.Context, name string, _ ...string) (Output, error) {
	return Output{}, refuse("run", name)
}

// Detach implements Machine.
func (ReadOnly) Detach(name string, _ ...string) error { return refuse("start", name) }

func refuse(op, path string) error { return &fs.PathError{Op: op, Path: path, Err: ErrReadOnly} }

// Deny is the machine for another user, who is not root and may not read the files in
// Paths. All else is as this process sees it.
type Deny struct {
	Machine
	Paths []string
}

// ReadFile implements Reader.
func (d Deny) ReadFile(path string) ([]byte, error) {
	if err := d.denied(path); err != nil {
		return nil, err
	}
	return d.Machine.ReadFile(path)
}

// ReadOwn implements Reader.
func (d Deny) ReadOwn(path string) ([]byte, error) {
	if err := d.denied(path); err != nil {
		return nil, err
	}
	return d.Machine.ReadOwn(path)
}

// ReadTail implements Reader.
func (d Deny) ReadTail(path string, from int64) ([]byte, error) {
	if err := d.denied(path); err != nil {
		return nil, err
	}
	return d.Machine.ReadTail(path, from)
}

func (d Deny) denied(path string) error {
	if slices.Contains(d.Paths, path) {
		return &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
	}
	return nil
}

// UID implements Reader.
func (Deny) UID() int { return nobody }

// nobody is the number of an account without rights (user(5), overflowuid).
const nobody = 65534

// Recorder passes everything on to a machine and keeps what was run and
// written, for the page that shows it.
type Recorder struct {
	Machine
	mu    sync.Mutex
	lines []string
}

// Lines are the programs that were run and the files that were changed, in
// order, each as one line.
func (r *Recorder) Lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.lines...)
}

// note keeps a line, and why what it says failed.
func (r *Recorder) note(err error, format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if err != nil {
		line += ": " + err.Error()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
}

// Run implements Reader.
func (r *Recorder) Run(ctx context.Context, name string, args ...string) (Output, error) {
	o, err := r.Machine.Run(ctx, name, args...)
	r.note(err, "%s %s -> %d", name, strings.Join(args, " "), o.Code)
	return o, err
}

// Act implements Machine.
func (r *Recorder) Act(ctx context.Context, name string, args ...string) (Output, error) {
	o, err := r.Machine.Act(ctx, name, args...)
	r.note(err, "%s %s -> %d", name, strings.Join(args, " "), o.Code)
	return o, err
}

// Detach implements Machine.
func (r *Recorder) Detach(name string, args ...string) error {
	err := r.Machine.Detach(name, args...)
	r.note(err, "%s %s, in the background", name, strings.Join(args, " "))
	return err
}

// LookUp implements Reader.
func (r *Recorder) LookUp(ctx context.Context, server, name string, qtype uint16) (Answer, error) {
	a, err := r.Machine.LookUp(ctx, server, name, qtype)
	r.note(err, "DNS %s %s at %s -> %s", name, typeName(qtype), server, a.RCode)
	return a, err
}

// Replace implements Machine.
func (r *Recorder) Replace(path string, data []byte, mode fs.FileMode) error {
	err := r.Machine.Replace(path, data, mode)
	r.note(err, "wrote %s, %d bytes", path, len(data))
	return err
}

// ReplaceSecret implements Machine.
func (r *Recorder) ReplaceSecret(path string, data []byte) error {
	err := r.Machine.ReplaceSecret(path, data)
	r.note(err, "wrote %s, %d bytes", path, len(data))
	return err
}

// Save implements Machine.
func (r *Recorder) Save(path string, data []byte, mode fs.FileMode) error {
	err := r.Machine.Save(path, data, mode)
	r.note(err, "wrote %s, %d bytes", path, len(data))
	return err
}

// Remove implements Machine.
func (r *Recorder) Remove(path string) error {
	err := r.Machine.Remove(path)
	r.note(err, "removed %s", path)
	return err
}
