package wizard

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postseal/internal/apply"
)

// TestTerminal: each terminal is told what it knows, once, and left as it was.
func TestTerminal(t *testing.T) {
	for name, c := range map[string]struct {
		env                      map[string]string
		clipboard, titled, gauge bool
	}{
		"xterm":            {map[string]string{"TERM": "xterm-256color"}, true, true, false},
		"tmux":             {map[string]string{"TERM": "tmux-256color"}, false, true, false},
		"console":          {map[string]string{"TERM": "linux"}, false, false, false},
		"Windows Terminal": {map[string]string{"TERM": "xterm-256color", "WT_SESSION": "x"}, true, true, true},
	} {
		var out bytes.Buffer
		term := newTerminal(&out, func(k string) string { return c.env[k] })
		if term.clipboard != c.clipboard || term.titled != c.titled || term.gauge != c.gauge {
			t.Errorf("%s: %+v", name, term)
		}
		term.begin()
		for range 2 {
			if cmd := term.announce("postseal: mx", true); cmd != nil {
				cmd()
			}
		}
		term.end()
		text := out.String()
		for sequence, want := range map[string]int{"\x1b]2;postseal: mx\x1b\\": count(c.titled), "\x1b[22;2t": count(c.titled), "\x1b[23;2t": count(c.titled), "\x1b]9;4;3\x1b\\": count(c.gauge), "\x1b]9;4;0\x1b\\": count(c.gauge), "\x1b[?1007s\x1b[?1007h": 1, "\x1b[?1007r": 1} {
			if got := strings.Count(text, sequence); got != want {
				t.Errorf("%s: %q is sent %d times, want %d", name, sequence, got, want)
			}
		}
	}
}

func count(once bool) int {
	if once {
		return 1
	}
	return 0
}

// TestCopy: the command goes to the clipboard where there is one, and else into a file that
// the page names.
func TestCopy(t *testing.T) {
	m, run := hardened(t)
	for _, term := range []string{"xterm", "linux"} {
		h := sit(t, m, Options{NoColor: true, SaveIn: "/etc/postfix"})
		h.release()
		var out bytes.Buffer
		h.terminal = newTerminal(&out, func(string) string { return term })
		r := *run
		r.Phase = apply.Kept
		h.stage, h.end, h.result.Command = ended, endState{receipt: &r}, []string{"postseal", "apply", "--yes"}
		h.press("c")
		saved, err := os.ReadFile(filepath.Join(m.Root, "/etc/postfix", commandFile))
		switch term {
		case "xterm":
			if !strings.Contains(out.String(), "\x1b]52;c;") || err == nil || !strings.Contains(h.see(), "to the clipboard") {
				t.Errorf("%q, %v\n%s", out.String(), err, h.see())
			}
		default:
			if strings.Contains(out.String(), "\x1b]52") || string(saved) != "postseal apply --yes\n" || !strings.Contains(h.see(), "to /etc/postfix/"+commandFile) {
				t.Errorf("%q, %q, %v\n%s", out.String(), saved, err, h.see())
			}
		}
	}
}
