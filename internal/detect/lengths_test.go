package detect

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/postfix/maincf"
)

// TestDoublingValues: a main.cf whose values double each other is refused with the
// line, before any program expands it.
func TestDoublingValues(t *testing.T) {
	doubling, wide := "x0 =\n", "a = "+strings.Repeat("b", 1<<20-10)+"\n"
	for i := range 60 {
		doubling += fmt.Sprintf("x%d = $x%d$x%d\n", i+1, i, i)
	}
	for i := range 100 {
		wide += fmt.Sprintf("w%d = $a\n", i)
	}
	for name, c := range map[string]struct{ text, says string }{
		"doubling": {doubling, "main.cf, line 14: x13: "}, "wide": {wide, "main.cf, line 66: w64: "}, "neither": {"a = b\nc = $a$a\n", ""},
	} {
		dir := t.TempDir()
		for file, text := range map[string]string{"main.cf": c.text, "master.cf": ""} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		f := newFacts(host.Local{})
		f.Config.Dir = dir
		err := f.readConfig(host.Local{})
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.says != "" && (!errors.Is(err, maincf.ErrTooLong) || !strings.Contains(err.Error(), c.says) || hint.Of(err) == ""):
			t.Errorf("%s: %v", name, err)
		}
	}
}
