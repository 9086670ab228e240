package host

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// File is an open file, of any size, of which parts are read. It stays the same file when
// its path is renamed or made anew.
type File interface {
	io.ReaderAt
	io.Closer
	// State tells which file it is, and how long now.
	State() (FileState, error)
}

// FileState is what tells a file from another that has taken its path.
type FileState struct {
	Device, Inode uint64
	Size          int64
	ModTime       time.Time
}

type localFile struct{ *os.File }

// State implements File.
func (f localFile) State() (FileState, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return FileState{}, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return FileState{Device: st.Dev, Inode: st.Ino, Size: st.Size, ModTime: time.Unix(st.Mtim.Unix())}, nil
}

// Open implements Reader.
func (Local) Open(path string) (File, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	return localFile{f}, nil
}

// Open implements Reader.
func (f *Fake) Open(path string) (File, error) {
	if slices.Contains(f.Deny, path) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
	}
	return f.Local.Open(f.at(path))
}

// Open implements Reader.
func (d Deny) Open(path string) (File, error) {
	if err := d.denied(path); err != nil {
		return nil, err
	}
	return d.Machine.Open(path)
}

// Stream implements Reader.
func (Local) Stream(ctx context.Context, take func(io.Reader) error, name string, args ...string) error {
	path, err := find(name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = Environ()
	cmd.WaitDelay = 2 * time.Second
	var errs bytes.Buffer
	cmd.Stderr = &limited{w: &errs}
	pipe, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("running %s: %w", name, err)
	}
	if err := take(bufio.NewReaderSize(pipe, 1<<16)); err != nil {
		cancel()
		_ = cmd.Wait() // it was cut off
		return err
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("running %s: %w", name, cut{ctx.Err()})
	case errors.As(err, &exit):
		return fmt.Errorf("%s ended with %d: %.200s", name, exit.ExitCode(), errs.String())
	case err != nil:
		return fmt.Errorf("running %s: %w", name, err)
	}
	return nil
}

// Stream implements Reader.
func (f *Fake) Stream(ctx context.Context, take func(io.Reader) error, name string, args ...string) error {
	o, err := f.Run(ctx, name, args...)
	if err != nil {
		return err
	}
	if o.Code != 0 {
		return fmt.Errorf("%s ended with %d: %.200s", name, o.Code, o.Stderr)
	}
	return take(strings.NewReader(o.Stdout))
}

// Stream implements Reader.
func (r *Recorder) Stream(ctx context.Context, take func(io.Reader) error, name string, args ...string) error {
	err := r.Machine.Stream(ctx, take, name, args...)
	r.note(err, "%s %s", name, strings.Join(args, " "))
	return err
}
