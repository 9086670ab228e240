// Package story runs the real program on a real pseudo-terminal, drives it as
// a person would, and sees what that person would see. A story is a test, a
// golden screen and a picture at once.
//
// It knows nothing of what the program does.
package story

import (
	"context"
	"fmt"
	"image/color"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
)

// Term is a program on a pseudo-terminal, with a terminal in this process at
// the other end.
type Term struct {
	mu   sync.Mutex
	emu  *vt.Emulator
	tty  *os.File
	cmd  *exec.Cmd
	last time.Time // when the screen last changed
	w, h int
	raw  strings.Builder
	done chan struct{}
}

// Look is how the terminal looks and answers.
type Look struct {
	Width, Height int
	// Light has a light background.
	Light bool
	// Mute never answers a question of the program, as some terminals do not.
	Mute bool
	// Env are more variables, over a small fixed set.
	Env []string
}

// Start runs a program.
func Start(ctx context.Context, l Look, argv ...string) (*Term, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append([]string{
		"TERM=xterm-256color", "COLORTERM=truecolor", "LANG=C.UTF-8", "TZ=UTC",
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "TMPDIR=" + os.TempDir(),
	}, l.Env...)
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: uint16(l.Height), Cols: uint16(l.Width)})
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", argv[0], err)
	}
	t := &Term{emu: vt.NewEmulator(l.Width, l.Height), tty: tty, cmd: cmd, w: l.Width, h: l.Height, last: time.Now(), done: make(chan struct{})}
	fg, bg := color.RGBA{0xd8, 0xdb, 0xe6, 0xff}, color.RGBA{0x16, 0x18, 0x21, 0xff}
	if l.Light {
		fg, bg = color.RGBA{0x24, 0x27, 0x33, 0xff}, color.RGBA{0xfb, 0xfb, 0xfd, 0xff}
	}
	t.emu.SetDefaultForegroundColor(fg)
	t.emu.SetDefaultBackgroundColor(bg)
	go t.answer(l.Mute)
	go t.read()
	return t, nil
}

// answer carries what the terminal says (to OSC 11, CSI 6n) to the program.
func (t *Term) answer(mute bool) {
	to := io.Writer(t.tty)
	if mute {
		to = io.Discard
	}
	_, _ = io.Copy(to, t.emu) // ends when the emulator is closed
}

func (t *Term) read() {
	defer close(t.done)
	buf := make([]byte, 32<<10)
	for {
		n, err := t.tty.Read(buf)
		if n > 0 {
			t.mu.Lock()
			_, _ = t.emu.Write(buf[:n]) // an emulator does not fail
			if t.raw.Len() < 1<<20 {
				t.raw.Write(buf[:n])
			}
			t.last = time.Now()
			t.mu.Unlock()
		}
		if err != nil {
			return // EIO: the program has ended
		}
	}
}

// Type sends keys, as bytes.
func (t *Term) Type(s string) error {
	_, err := t.tty.WriteString(s)
	return err
}

// Text is the screen, without blanks at the ends of lines.
func (t *Term) Text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for y := range t.h {
		var l strings.Builder
		for x := 0; x < t.w; {
			c := t.emu.CellAt(x, y)
			if c == nil || c.Content == "" {
				l.WriteByte(' ')
				x++
				continue
			}
			l.WriteString(c.Content)
			x += max(1, c.Width)
		}
		b.WriteString(strings.TrimRight(l.String(), " ") + "\n")
	}
	return b.String()
}

// Raw is all that the program wrote, escape codes and all.
func (t *Term) Raw() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.raw.String()
}

// See waits until the screen shows want and has been quiet for a moment.
func (t *Term) See(want string, limit time.Duration) error {
	if !t.until(limit, func(screen string) bool { return strings.Contains(screen, want) }) {
		return fmt.Errorf("the screen never showed %q, but\n%s", want, t.Text())
	}
	return nil
}

// Gone waits until the screen does not show text and has been quiet for a moment.
func (t *Term) Gone(text string, limit time.Duration) error {
	if !t.until(limit, func(screen string) bool { return !strings.Contains(screen, text) }) {
		return fmt.Errorf("%q stays on the screen\n%s", text, t.Text())
	}
	return nil
}

// until waits for the screen to settle and right to accept it, and reports whether that
// happened within the limit.
func (t *Term) until(limit time.Duration, right func(screen string) bool) bool {
	const settle = 40 * time.Millisecond
	deadline := time.Now().Add(limit)
	for time.Now().Before(deadline) {
		t.mu.Lock()
		quiet := time.Since(t.last) > settle
		t.mu.Unlock()
		if quiet && right(t.Text()) {
			return true
		}
		time.Sleep(5 * time.Millisecond)
	}
	return false
}

// Wait waits until the program has ended by itself, and returns its exit code.
func (t *Term) Wait(limit time.Duration) (int, error) {
	select {
	case <-t.done:
	case <-time.After(limit):
		return 0, fmt.Errorf("the program did not end; the screen shows\n%s", t.Text())
	}
	_ = t.cmd.Wait() // the exit code says it all
	return t.cmd.ProcessState.ExitCode(), t.tty.Close()
}

// Kill ends the program at once, and the terminal with it.
func (t *Term) Kill() {
	_ = t.cmd.Process.Kill()
	<-t.done
	_ = t.cmd.Wait()
	_ = t.tty.Close()
}

// Process is the program.
func (t *Term) Process() *os.Process { return t.cmd.Process }
