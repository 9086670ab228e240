package hint_test

import (
	"os/exec"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"postseal/internal/hint"
)

// pasted is what a shell makes of the words of a line.
func pasted(t testing.TB, shell, line string) string {
	t.Helper()
	cmd := exec.Command(shell, "-c", "for w in "+line+`; do printf '%s\0' "$w"; done`)
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %q: %v", shell, line, err)
	}
	return string(out)
}

// FuzzShellLine: what a command in a hint looks like, shells read the words that
// were meant, and a terminal shows them.
func FuzzShellLine(f *testing.F) {
	for _, w := range []string{"/etc/a b", "x;touch y", "it's", "$(touch y)", "`touch y`", "a\nb", "\x1b[31mred", "\xff\xfe", "%s%n", "-n", "-e\x01", `back\slash` + "\x07", "\u202etxt.exe", "\u0080", "é", "*", "~", "#", "!x", "'\r'", "", "\x017", "/srv/x\n", "!\x01!"} {
		f.Add(w)
	}
	f.Fuzz(func(t *testing.T, w string) {
		if strings.Contains(w, "\x00") {
			return // no word of a command has one
		}
		line := hint.ShellLine([]string{w, "end"})
		if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q is shown as %q", w, line)
		}
		shells := []string{"sh", "bash"}
		if strings.HasSuffix(w, "\n") {
			shells = shells[1:]
		}
		for _, shell := range shells {
			if got := pasted(t, shell, line); got != w+"\x00end\x00" {
				t.Errorf("%s reads %q as %q", shell, w, got)
			}
		}
	})
}
