package report_test

import (
	"os/exec"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"postseal/internal/hint"
	"postseal/internal/report"
)

// unclean reports whether text could do something to a terminal beside being shown.
func unclean(s string) bool {
	return !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool {
		return r != '\n' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp))
	})
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain ümlaut ✓ 漢字\nnext":   "plain ümlaut ✓ 漢字\nnext",
		"\x1b[31mred\x1b[0m":        `\u001b[31mred\u001b[0m`,
		"\x1b]0;title\a":            `\u001b]0;title\u0007`,
		"a\rb":                      "a␍b",
		"a\tb":                      "a    b",
		"csi\u009b31m":              `csi\u009b31m`,
		"bidi\u202eabc\u2066":       `bidi\u202eabc\u2066`,
		"line\u2028sep":             `line\u2028sep`,
		"zero\u200bwidth\u00adsoft": `zero\u200bwidth\u00adsoft`,
		"tag\U000e0041":             `tag\ue0041`,
		"bad\xff\xfe":               "bad��",
		"nul\x00del\x7f":            `nul\u0000del\u007f`,
	} {
		if got := report.Clean(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "text") + string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		checkClean(t, s)
		if printable := strings.Map(func(r rune) rune {
			if unicode.IsPrint(r) && r != utf8.RuneError {
				return r
			}
			return -1
		}, s); report.Clean(printable) != printable {
			t.Fatalf("%q became %q", printable, report.Clean(printable))
		}
	})
}

func FuzzClean(f *testing.F) {
	f.Add("\x1b[2J\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) { checkClean(t, s) })
}

// checkClean: what Clean makes is clean, and stays as it is.
func checkClean(t interface{ Fatalf(string, ...any) }, s string) {
	if out := report.Clean(s); unclean(out) || report.Clean(out) != out {
		t.Fatalf("%q became %q", s, out)
	}
}

// TestWrap: no word is lost, and no line is wider than asked unless it is one word.
func TestWrap(t *testing.T) {
	for text, want := range map[string][]string{
		"":                       {""},
		"one two three":          {"one two", "three"},
		"abcdefghijkl m":         {"abcdefghijkl", "m"},
		"first\nsecond  line, x": {"first", "second", "line, x"},
	} {
		if d := cmp.Diff(want, report.Wrap(text, 8)); d != "" {
			t.Errorf("%q (-want +got)\n%s", text, d)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOf(rapid.StringMatching(`[a-zß✓]{1,12}`)).Draw(t, "words")
		var text strings.Builder
		for _, w := range words {
			text.WriteString(w + rapid.SampledFrom([]string{" ", "  ", "\n", " \n "}).Draw(t, "blank"))
		}
		width := rapid.IntRange(1, 60).Draw(t, "width")
		lines := report.Wrap(text.String(), width)
		if got := strings.Fields(strings.Join(lines, " ")); strings.Join(got, " ") != strings.Join(words, " ") {
			t.Fatalf("%q became %q", words, got)
		}
		for _, l := range lines {
			if utf8.RuneCountInString(l) > width && strings.Contains(l, " ") {
				t.Fatalf("%q is wider than %d", l, width)
			}
		}
	})
}

// TestShellLine: a shell reads back the words that were meant.
func TestShellLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[ -~]{0,12}`), 1, 5).Draw(t, "words")
		out, err := exec.Command("sh", "-c", `for w in `+hint.ShellLine(words)+`; do printf '%s\n' "$w"; done`).Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"); !cmp.Equal(got, words) {
			t.Fatalf("%q became %q", words, got)
		}
	})
}
