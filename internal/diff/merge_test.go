package diff

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMerge(t *testing.T) {
	for name, x := range map[string]struct {
		base, mine, theirs, want string
		clean                    bool
	}{
		"apart":                   {"a\nb\nc\nd\n", "a\nB\nc\nd\n", "a\nb\nc\nD\n", "a\nB\nc\nD\n", true},
		"side by side":            {"a\nBLOCK\n", "a\n", "a\nBLOCK\nnew\n", "a\nnew\n", true},
		"in what goes":            {"a\nB1\nB2\nc\n", "a\nc\n", "a\nB1\nmore\nB2\nc\n", "a\nc\n", false},
		"in what goes, and apart": {"a\nB1\nB2\nc\nd\n", "a\nc\nd\n", "a\nB1\nb2\nc\nD\n", "a\nc\nD\n", false},
		"both the same":           {"a\nb\n", "a\nx\n", "a\nx\n", "a\nx\n", true},
		"both at one place":       {"a\n", "a\nmine\n", "a\ntheirs\n", "a\nmine\ntheirs\n", true},
		"before what goes":        {"a\nB\nc\n", "a\nc\n", "a\nnew\nB\nc\n", "a\nnew\nc\n", true},
		"an end without its line": {"a\nB\n", "a", "a\nB\nnew\n", "a\nnew\n", true},
	} {
		if got, clean := Merge(x.base, x.mine, x.theirs); got != x.want || clean != x.clean {
			t.Errorf("%s: %q, clean %v", name, got, clean)
		}
	}
}

// TestMergeLaws: what only one has changed is as that one has it.
func TestMergeLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string {
			s := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b = c", "", "  d", "# e", "x\r"}), 0, 12).Draw(t, name), "\n")
			if s != "" && rapid.Bool().Draw(t, name+" ends") {
				s += "\n"
			}
			return s
		}
		base, other := text("base"), text("other")
		for _, x := range [][2]string{{other, base}, {base, other}, {other, other}} {
			if got, clean := Merge(base, x[0], x[1]); got != other || !clean {
				t.Fatalf("Merge(%q, %q, %q) = %q, %v", base, x[0], x[1], got, clean)
			}
		}
	})
}
