package cli

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const someHelp = `watch looks once, and says what it has seen of every listener that there is.
It ends with 3 if something is wrong.

Exit codes:
  0    done, or nothing to do
  6    failed, and putting it back failed too

Usage:
  postseal watch [flags]

Flags:
      --outbound-level value            How should mail be protected? (dane|may|encrypt|dane-only|verify|secure)
  -h, --help                            help for watch
`

// TestFitted: help fits the terminal, with its columns where there is room for them; no
// word is lost, and what fits stays as it is.
func TestFitted(t *testing.T) {
	if d := cmp.Diff(someHelp, fitted(someHelp, 200)); d != "" {
		t.Errorf("what fits is changed (-want +got)\n%s", d)
	}
	words := func(s string) string { return strings.Join(strings.Fields(strings.ReplaceAll(s, "|", " ")), " ") }
	for _, width := range []int{40, 60, 80} {
		got := fitted(someHelp, width)
		for line := range strings.Lines(got) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("at %d columns: %q", width, line)
			}
		}
		if d := cmp.Diff(words(someHelp), words(got)); d != "" {
			t.Errorf("at %d columns (-want +got)\n%s", width, d)
		}
	}
	want := `      --outbound-level value            How should mail be protected? (dane |
                                        may | encrypt | dane-only | verify |
                                        secure)
`
	if got := fitted(someHelp, 80); !strings.Contains(got, want) {
		t.Errorf("the explanation is not in its column:\n%s", got)
	}
}
