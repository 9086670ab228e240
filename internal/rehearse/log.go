package rehearse

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// watch follows the log of a private instance.
type watch struct {
	path string
	// forget keeps no lines: who is told of them keeps what matters.
	forget bool

	mu    sync.Mutex
	read  int64
	lines []string
	tell  []func(line string)
}

// line is told of every line from now on.
func (w *watch) each(tell func(line string)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tell = append(w.tell, tell)
}

// follow reads until ctx ends.
func (w *watch) follow(ctx context.Context) {
	for {
		w.poll()
		select {
		case <-ctx.Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// poll takes what is new, by whole lines.
func (w *watch) poll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	f, err := os.Open(w.path)
	if err != nil {
		return // not there yet
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil || st.Size() <= w.read || st.Size()-w.read > maxLog {
		return
	}
	data := make([]byte, st.Size()-w.read)
	if _, err := f.ReadAt(data, w.read); err != nil {
		return
	}
	end := bytes.LastIndexByte(data, '\n') + 1
	w.read += int64(end)
	for l := range strings.Lines(string(data[:end])) {
		l = strings.TrimSuffix(l, "\n")
		if !w.forget {
			w.lines = append(w.lines, l)
		}
		for _, tell := range w.tell {
			tell(l)
		}
	}
}

// maxLog bounds what is read of a log at once, in bytes.
const maxLog = 16 << 20

// of returns the lines that processes with one of these in their name wrote,
// without time and process.
func (w *watch) of(names ...string) []string {
	w.poll()
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, l := range w.lines {
		if who, text, ok := split(l); ok && slices.ContainsFunc(names, func(n string) bool { return strings.Contains(who, n) }) {
			out = append(out, text)
		}
	}
	return out
}

// last returns the n newest lines.
func (w *watch) last(n int) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.lines[max(0, len(w.lines)-n):])
}

// split takes a line of the log apart: "... host name/program[pid]: text".
func split(line string) (who, text string, ok bool) {
	head, text, ok := strings.Cut(line, "]: ")
	if !ok {
		return "", "", false
	}
	head, _, ok = strings.Cut(head, "[")
	if !ok {
		return "", "", false
	}
	return head[strings.LastIndexByte(head, ' ')+1:], text, true
}
