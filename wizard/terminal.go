package wizard

import (
	"encoding/base64"
	"io"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
)

// terminal is what can be said to a terminal beside what is drawn (xterm control sequences).
// A nil terminal is told nothing.
type terminal struct {
	out io.Writer
	// clipboard says that it sets its clipboard when asked to, as far as is known; titled that
	// it has a title, and gauge that it shows progress (OSC 9;4) rather than a notice.
	clipboard, titled, gauge bool

	title string
	busy  bool
}

// newTerminal judges a terminal by the environment.
func newTerminal(out io.Writer, getenv func(string) string) *terminal {
	term := getenv("TERM")
	is := func(prefixes ...string) bool {
		for _, p := range prefixes {
			if strings.HasPrefix(term, p) {
				return true
			}
		}
		return false
	}
	program := getenv("TERM_PROGRAM")
	return &terminal{
		out:       out,
		clipboard: !is("linux", "screen", "tmux", "dumb", "vt"),
		titled:    !is("linux", "dumb", "vt"),
		gauge:     getenv("WT_SESSION") != "" || getenv("ConEmuANSI") == "ON" || program == "ghostty" || program == "WezTerm" || is("xterm-ghostty"),
	}
}

// begin keeps the title that was there, and has the wheel of the mouse send arrow keys
// (alternate scroll): text can still be marked with the mouse.
func (t *terminal) begin() {
	text := "\x1b[?1007s\x1b[?1007h"
	if t.titled {
		text += "\x1b[22;2t"
	}
	_, _ = io.WriteString(t.out, text)
}

// end puts back what begin and announce have changed.
func (t *terminal) end() {
	text := "\x1b[?1007r"
	if t.titled {
		text += "\x1b[23;2t"
	}
	if t.gauge {
		text += "\x1b]9;4;0\x1b\\"
	}
	_, _ = io.WriteString(t.out, text)
}

// announce sets the title, and whether something is under way, where that has changed.
func (t *terminal) announce(title string, busy bool) tea.Cmd {
	if t == nil {
		return nil
	}
	text := ""
	if t.titled && title != t.title {
		text += "\x1b]2;" + title + "\x1b\\"
	}
	if t.gauge && busy != t.busy {
		text += map[bool]string{true: "\x1b]9;4;3\x1b\\", false: "\x1b]9;4;0\x1b\\"}[busy]
	}
	if t.title, t.busy = title, busy; text == "" {
		return nil
	}
	return t.write(text)
}

// copy puts text on the clipboard (OSC 52), which also works over ssh.
func (t *terminal) copy(text string) tea.Cmd {
	return t.write("\x1b]52;c;" + base64.StdEncoding.EncodeToString([]byte(text)) + "\x1b\\")
}

func (t *terminal) write(text string) tea.Cmd {
	return func() tea.Msg {
		_, _ = io.WriteString(t.out, text)
		return nil
	}
}
