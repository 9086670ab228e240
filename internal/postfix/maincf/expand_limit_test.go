package maincf_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"postseal/internal/postfix/maincf"
)

// TestExpandDoubling: values that double each other end with an error, whether
// they are long or empty, and in conditions too.
func TestExpandDoubling(t *testing.T) {
	for name, c := range map[string]struct{ first, form string }{
		"text": {"aa", "$x%[1]d$x%[1]d"}, "empty": {"", "$x%[1]d$x%[1]d"}, "relation": {"", "${{$x%[1]d}=={$x%[1]d}?{a}}"},
	} {
		lookup := func(name string) (string, bool) {
			var n int
			if _, err := fmt.Sscanf(name, "x%d", &n); err != nil || n == 0 {
				return c.first, true
			}
			return fmt.Sprintf(c.form, n-1), true
		}
		if _, err := maincf.Expand("$x30", lookup); !errors.Is(err, maincf.ErrTooLong) {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := maincf.Expand("$x3", lookup); err != nil || c.first != "" && got != strings.Repeat("a", 16) {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
}

// TestManyLines: a parameter of a million lines is read in their time, and not in
// its square.
func TestManyLines(t *testing.T) {
	f := maincf.Parse("a = 1\n" + strings.Repeat(" b\n", 1_000_000) + "c = 2\n")
	if e, ok := f.Get("a"); !ok || len(e.Value) != len("1")+2*1_000_000 {
		t.Errorf("%d bytes", len(e.Value))
	}
	if e, _ := f.Get("c"); e.Value != "2" || e.Line != 1_000_002 {
		t.Errorf("%+v", e)
	}
}
