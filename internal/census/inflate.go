package census

import (
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// form is how a file is compressed.
type form int

const (
	plain form = iota
	gzipped
	xzipped
	zstandard
	bzipped
)

// magic are the first bytes of each form: the name of a file may be wrong.
var magic = map[form]string{gzipped: "\x1f\x8b", xzipped: "\xfd7zXZ\x00", zstandard: "\x28\xb5\x2f\xfd", bzipped: "BZh"}

func formOf(head []byte) form {
	for f, m := range magic {
		if bytes.HasPrefix(head, []byte(m)) {
			return f
		}
	}
	return plain
}

// maxWindow bounds what a compressed file may ask for in memory.
const maxWindow = 64 << 20

// inflate reads compressed text.
func inflate(r io.Reader, f form) (io.Reader, error) {
	switch f {
	case gzipped:
		return gzip.NewReader(r)
	case zstandard:
		return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecoderLowmem(true))
	case xzipped:
		return xz.ReaderConfig{DictCap: 1 << 20}.NewReader(r)
	case bzipped:
		return bzip2.NewReader(r), nil
	}
	return r, nil
}

// compressed counts a compressed file. One goroutine inflates while the other counts.
func (r *reading) compressed(ctx context.Context, l *logFile) (*tally, error) {
	t := newTally(r.settings, clock{now: l.written})
	packed := &counted{r: io.NewSectionReader(l, 0, l.state.Size), count: r.count}
	text, err := inflate(packed, l.form)
	if err != nil {
		return t, broken(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in := source{ctx: ctx, r: newAhead(ctx, text), count: func(int) {}}
	return t, broken(in.lines(t, 1<<62))
}

// broken says of a compressed file what is wrong with it.
func broken(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it is cut off")
	}
	return err
}

// counted counts what is read.
type counted struct {
	r     io.Reader
	count func(int)
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.count(n)
	return n, err
}

// ahead reads from another goroutine, some blocks ahead.
type ahead struct {
	ctx        context.Context
	full, free chan block
	now        block
	at         int
}

type block struct {
	b   []byte
	n   int
	err error
}

func newAhead(ctx context.Context, r io.Reader) *ahead {
	const blocks = 4
	a := &ahead{ctx: ctx, full: make(chan block, blocks), free: make(chan block, blocks)}
	for range blocks {
		a.free <- block{b: make([]byte, blockSize/2)}
	}
	go func() {
		for {
			var b block
			select {
			case b = <-a.free:
			case <-ctx.Done():
				return
			}
			for b.n = 0; b.n < len(b.b) && b.err == nil; {
				var n int
				n, b.err = r.Read(b.b[b.n:])
				b.n += n
			}
			a.full <- b // there is room for all
			if b.err != nil {
				return
			}
		}
	}()
	return a
}

// Read implements io.Reader.
func (a *ahead) Read(to []byte) (int, error) {
	for a.at == a.now.n {
		if a.now.err != nil {
			return 0, a.now.err
		}
		if a.now.b != nil {
			a.free <- block{b: a.now.b}
		}
		select {
		case a.now = <-a.full:
			a.at = 0
		case <-a.ctx.Done():
			return 0, a.ctx.Err()
		}
	}
	n := copy(to, a.now.b[a.at:a.now.n])
	a.at += n
	return n, nil
}
