package wizard

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

// askBackground is the question for the background colour (xterm control
// sequences, OSC 11). It is sent after the first frame, and nothing waits for
// an answer.
const askBackground = "\x1b]11;?\x1b\\"

// backgroundMsg says whether the terminal has a dark background.
type backgroundMsg struct{ dark bool }

// query writes the question. The console of Linux and multiplexers do not
// answer it.
func queryBackground(out io.Writer) tea.Cmd {
	term := os.Getenv("TERM")
	for _, mute := range []string{"linux", "screen", "tmux", "dumb"} {
		if strings.HasPrefix(term, mute) {
			return nil
		}
	}
	return func() tea.Msg {
		_, _ = io.WriteString(out, askBackground)
		return nil
	}
}

// backgroundReader is the terminal as input, without the answer to
// askBackground: Bubble Tea v1 would take it for keys.
type backgroundReader struct {
	*os.File
	found chan<- tea.Msg

	mu    sync.Mutex
	since time.Time
	done  bool
	held  []byte // the start of what may be the answer
}

// answerTime is how long an answer is looked for.
const answerTime = 3 * time.Second

var answerStart = []byte("\x1b]11;")

// Read implements io.Reader.
func (r *backgroundReader) Read(p []byte) (int, error) {
	n, err := r.File.Read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() {
		r.since = time.Now()
	}
	if r.done || n <= 0 {
		return n, err
	}
	data := slices.Concat(r.held, p[:n])
	r.held = nil
	if time.Since(r.since) > answerTime {
		r.done = true
		return copy(p, data), err
	}
	i := bytes.Index(data, answerStart)
	if i < 0 {
		return copy(p, data), err
	}
	rest := data[i:]
	end, length := bytes.IndexByte(rest, '\a'), 1
	if st := bytes.Index(rest, []byte("\x1b\\")); st >= 0 && (end < 0 || st < end) {
		end, length = st, 2
	}
	if end < 0 {
		r.held = append([]byte{}, rest...) // the end is still to come
		return copy(p, data[:i]), err
	}
	r.done = true
	if dark, ok := isDark(string(rest[len(answerStart):end])); ok {
		select {
		case r.found <- backgroundMsg{dark}:
		default:
		}
	}
	return copy(p, append(append([]byte{}, data[:i]...), rest[end+length:]...)), err
}

// isDark reads "rgb:1616/1818/2121".
func isDark(s string) (dark, ok bool) {
	parts := strings.Split(strings.TrimPrefix(s, "rgb:"), "/")
	if len(parts) != 3 {
		return false, false
	}
	light := 0.0
	for i, weight := range []float64{0.299, 0.587, 0.114} {
		if len(parts[i]) < 2 {
			return false, false
		}
		n, err := strconv.ParseUint(parts[i][:2], 16, 8)
		if err != nil {
			return false, false
		}
		light += weight * float64(n)
	}
	return light < 128, true
}
