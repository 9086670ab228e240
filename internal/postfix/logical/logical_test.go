package logical

import (
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	f := Parse("  orphan\n# c\na = 1\n\n # in between\n\t2 \r\nb = 3\n c")
	var got []string
	for _, l := range f.Logical {
		got = append(got, l.Text)
	}
	if want := []string{"a = 1\t2 \r", "b = 3 c"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if !slices.Equal(f.Logical[0].Own, []int{2, 5}) || !slices.Equal(f.Logical[1].Own, []int{6, 7}) || !slices.Equal(f.Orphans, []int{0}) {
		t.Errorf("%+v %v", f.Logical, f.Orphans)
	}
}

func TestNewline(t *testing.T) {
	for text, want := range map[string]string{"": "\n", "a": "\n", "a\r\nb\r\nc\n": "\r\n", "a\r\nb\nc\n": "\n", "a\nb\r": "\n"} {
		if got := Newline(Parse(text).Physical); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// FuzzIdentity: the lines are the file, and each belongs to one logical line
// at the most.
func FuzzIdentity(f *testing.F) {
	for _, s := range []string{"", "a = 1\n", "a = 1\r\n\r\n  2", "\ufeffa\x00b = 1\n\n # c\n", "  x\n=\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		g := Parse(s)
		if g.String() != s || strings.Join(g.Physical, "") != s {
			t.Fatalf("%q became %q", s, g.Physical)
		}
		var seen []int
		for _, l := range g.Logical {
			seen = append(seen, l.Own...)
		}
		if !slices.IsSorted(seen) || len(slices.Compact(slices.Clone(seen))) != len(seen) {
			t.Fatalf("%q: lines %v", s, seen)
		}
	})
}
