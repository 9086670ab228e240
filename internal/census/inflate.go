package census

import (
	"bufio"
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
	packed := bufio.NewReaderSize(&counted{r: io.NewSectionReader(l, 0, l.state.Size), count: r.count}, 64<<10)
	text, err := inflate(packed, l.form)
	if err != nil {
		return t, broken(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return t, broken(newAhead(ctx, text).scan(ctx, t))
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

// ahead cuts text into blocks of whole lines, in a goroutine of its own.
type ahead struct {
	r          io.Reader
	full, free chan block
	rest       []byte // of a line that goes on in the next block
	skip       bool   // up to the end of a line
}

// block is text. long is how many lines it lacks since they are longer than a block.
type block struct {
	b    []byte
	text []byte
	long int
	err  error
}

func newAhead(ctx context.Context, r io.Reader) *ahead {
	const blocks = 4
	a := &ahead{r: r, full: make(chan block, blocks), free: make(chan block, blocks)}
	for range blocks {
		a.free <- block{b: make([]byte, blockSize/2, blockSize/2+1)}
	}
	go func() {
		for {
			select {
			case b := <-a.free:
				b = a.fill(b.b)
				a.full <- b // there is room for all
				if b.err != nil {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return a
}

// fill reads the next block.
func (a *ahead) fill(buf []byte) block {
	b, n := block{b: buf}, copy(buf, a.rest)
	for n < len(buf) && b.err == nil {
		var k int
		k, b.err = a.r.Read(buf[n:])
		n += k
	}
	text := buf[:n]
	if a.skip {
		end := bytes.IndexByte(text, '\n') + 1
		if a.skip = end == 0; a.skip {
			end = n
		}
		text = text[end:]
	}
	end := bytes.LastIndexByte(text, '\n') + 1
	b.text, a.rest = text[:end], append(a.rest[:0], text[end:]...)
	switch {
	case errors.Is(b.err, io.EOF) && end < len(text): // a last line without an end
		text = append(text, '\n')
		b.text = text
	case len(a.rest) == len(buf): // no line of syslog is so long
		b.long, a.rest, a.skip = 1, a.rest[:0], true
	}
	return b
}

// scan counts the blocks.
func (a *ahead) scan(ctx context.Context, t *tally) error {
	for {
		select {
		case b := <-a.full:
			t.scan(b.text)
			t.lines, t.long = t.lines+b.long, t.long+b.long
			if errors.Is(b.err, io.EOF) {
				return nil
			}
			if b.err != nil {
				return b.err
			}
			a.free <- block{b: b.b}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
