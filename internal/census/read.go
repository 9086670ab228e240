package census

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/maillog"
)

// Sources say what to read, and how.
type Sources struct {
	// Log is where Postfix logs to, with the names of its lines. Its rotated files are
	// read too.
	Log maillog.Source
	// Files are read instead of those of Log, if there are any.
	Files []string
	// Since leaves out what is older. The zero value leaves out nothing.
	Since time.Time
	// Implicit: TLS begins at once on a service whose lines have the name of Postfix without
	// a label, as those of port 25 have. Without a handshake in the log, the two cannot be
	// told apart.
	Implicit bool
	// Own are the addresses of this machine beside those of the loopback interface.
	Own []string
	// Progress is told how many of the bytes were read, by more than one goroutine; it may
	// be nil.
	Progress func(read, all int64)
}

// ErrNoLog is the error of a census without a log.
var ErrNoLog = errors.New("no log of Postfix can be read")

// Read takes the census. What could not be read is in its Troubles; it is an error only
// if nothing could.
func Read(ctx context.Context, m host.Reader, s Sources) (*Census, error) {
	r := &reading{m: m, Sources: s, settings: settings{names: s.Log.Names, most: MaxPeers, implicit: s.Implicit, own: map[string]struct{}{}}}
	if r.names == nil {
		r.names = maillog.DefaultNames
	}
	for _, a := range s.Own {
		r.own[a] = struct{}{}
	}
	if !s.Since.IsZero() {
		r.since = uint32(max(0, s.Since.Unix()))
	}
	take := r.files
	if len(s.Files) == 0 && s.Log.Path == "" && s.Log.Journal {
		take = r.journal
	}
	all, err := take(ctx)
	if err != nil {
		return nil, err
	}
	runtime.GC() // what was merged is of no use, and may be as large as what follows
	c := all.result()
	c.Sources, c.Troubles = r.sources, r.troubles
	return c, nil
}

// reading is one run of Read.
type reading struct {
	Sources
	settings
	m        host.Reader
	sources  []string
	troubles []string
	read     atomic.Int64
	size     int64
}

func (r *reading) trouble(format string, args ...any) {
	r.troubles = append(r.troubles, fmt.Sprintf(format, args...))
}

// files counts all files, the oldest first.
func (r *reading) files(ctx context.Context) (all *tally, err error) {
	logs, err := r.open()
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, l := range logs {
			_ = l.Close()
		}
	}()
	for _, l := range logs {
		t, err := r.file(ctx, l)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if all == nil {
			all = t
		} else {
			all.merge(t)
		}
		if err != nil {
			r.trouble("%s: %v: what comes before that was counted", l.path, err)
		}
		r.sources = append(r.sources, l.path)
	}
	return all, nil
}

// blockSize is how much is read at a time. smallest is what is worth a goroutine.
const (
	blockSize = 256 << 10
	smallest  = 4 << 20
)

// file counts one file.
func (r *reading) file(ctx context.Context, l *logFile) (*tally, error) {
	if l.form != plain {
		return r.compressed(ctx, l)
	}
	parts := int64(min(runtime.GOMAXPROCS(0), 4))
	parts = max(1, min(parts, l.state.Size/smallest))
	tallies, errs := make([]*tally, parts), make([]error, parts)
	var wg sync.WaitGroup
	for i := range parts {
		from, to := l.state.Size/parts*i, l.state.Size/parts*(i+1)
		if i == parts-1 {
			to = l.state.Size
		}
		tallies[i] = newTally(r.settings, clock{now: l.written})
		wg.Go(func() { errs[i] = r.stretch(ctx, l, from, to, tallies[i]) })
	}
	wg.Wait()
	for _, t := range tallies[1:] {
		tallies[0].merge(t)
	}
	return tallies[0], errors.Join(errs...)
}

// stretch counts the lines that begin in a part of a file.
func (r *reading) stretch(ctx context.Context, l *logFile, from, to int64, t *tally) error {
	in := source{ctx: ctx, r: io.NewSectionReader(l, from, l.state.Size-from), count: r.count}
	if from > 0 {
		// A line that has begun before is of the part before.
		in.r, in.at = io.NewSectionReader(l, from-1, l.state.Size-from+1), -1
		in.skip = true
	}
	err := in.lines(t, to-from)
	if err == nil && in.at < to-from {
		return errors.New("it became shorter while it was read")
	}
	return err
}

// count reports progress.
func (r *reading) count(n int) {
	if read := r.read.Add(int64(n)); r.Progress != nil {
		r.Progress(read, r.size)
	}
}

// source is text that comes in blocks.
type source struct {
	ctx   context.Context
	r     io.Reader
	count func(int)
	at    int64 // of the next byte
	skip  bool  // up to the end of a line
}

// lines counts the lines that begin before a place, and the last one also if it has no end.
func (s *source) lines(t *tally, to int64) error {
	buf, fill := make([]byte, blockSize), 0
	for {
		n, err := s.r.Read(buf[fill:])
		if s.ctx.Err() != nil {
			return s.ctx.Err()
		}
		s.count(n)
		fill += n
		done := 0
		if s.skip {
			if done = bytes.IndexByte(buf[:fill], '\n') + 1; done > 0 {
				s.skip = false
			} else {
				done = fill
			}
		}
		if over := s.at + int64(fill) - to; over > 0 {
			// The last line of the part ends in the next one.
			last := max(done, int(to-s.at))
			if s.at+int64(done) >= to {
				return nil
			}
			if end := bytes.IndexByte(buf[last-1:fill], '\n'); end >= 0 {
				t.scan(buf[done : last+end])
				s.at += int64(last + end)
				return nil
			}
		}
		done += t.scan(buf[done:fill])
		if err != nil {
			s.at += int64(fill)
			if !errors.Is(err, io.EOF) {
				return err
			}
			if done < fill {
				t.scan(append(buf[done:fill:fill], '\n'))
			}
			return nil
		}
		if done == 0 && fill == len(buf) { // no line of syslog is so long
			t.lines, t.long = t.lines+1, t.long+1
			done, s.skip = fill, true
		}
		fill = copy(buf, buf[done:fill])
		s.at += int64(done)
	}
}

// open opens the files, the oldest first.
func (r *reading) open() ([]*logFile, error) {
	paths := r.Files
	if len(paths) == 0 {
		if r.Log.Path == "" {
			why := r.Log.Why
			if why == "" {
				why = "no log file and no journal was found"
			}
			return nil, hint.Wrap(fmt.Errorf("%w: %s", ErrNoLog, why), "name the files: postseal census FILE...")
		}
		paths = series(r.m, r.Log.Path)
	}
	var logs []*logFile
	var last error
	for _, p := range paths {
		l, err := openLog(r.m, p)
		switch {
		case errors.Is(err, fs.ErrNotExist) && len(r.Files) == 0:
			continue // rotated away meanwhile, or nothing was logged yet
		case err != nil:
			last = err
			r.trouble("%s was not read: %v", p, plainCause(err))
			continue
		}
		if !r.Since.IsZero() && l.state.ModTime.Before(r.Since) && len(r.Files) == 0 && p != r.Log.Path {
			_ = l.Close()
			continue
		}
		r.size += l.state.Size
		logs = append(logs, l)
	}
	if len(logs) == 0 {
		if last == nil {
			last = errors.New(paths[0] + " does not exist")
		}
		advice := "name the files: postseal census FILE..."
		if errors.Is(last, fs.ErrPermission) {
			advice = "run postseal as root, or as a member of the group that may read the log"
		}
		return nil, hint.Wrap(fmt.Errorf("%w: %w", ErrNoLog, last), advice)
	}
	inOrder(logs)
	return logs, nil
}

// plainCause is an error without the path, which is named already.
func plainCause(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}
