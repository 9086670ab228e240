package diff

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestReasons(t *testing.T) {
	f, err := Compare("main.cf", "a\nb\nc\n", "a\nB\nc\nd\n", func(op Op, text string) (string, string) {
		return string(op) + text, "RFC"
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range f.Hunks[0].Lines {
		got = append(got, string(l.Op)+l.Text+"|"+l.Why)
	}
	if s := strings.Join(got, " "); s != " a| -b|-b +B|+B  c| +d|+d" {
		t.Error(s)
	}
	if f.Added != 2 || f.Removed != 1 || f.Hunks[0].Header() != "@@ -1,3 +1,4 @@" {
		t.Errorf("%+v %s", f, f.Hunks[0].Header())
	}
}

func TestNothing(t *testing.T) {
	if f, err := Compare("x", "a\n", "a\n", nil); err != nil || f.Unified() != "" {
		t.Errorf("%v %q", err, f.Unified())
	}
}

// TestPatch: patch(1) turns the one text into the other with our diff.
func TestPatch(t *testing.T) {
	if _, err := exec.LookPath("patch"); err != nil {
		if os.Getenv("CI") == "1" {
			t.Fatal("patch is not installed (make test installs it)")
		}
		t.Skip("patch is not installed")
	}
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.SampledFrom([]string{"a", "b = c", "", "  d", "# e", "x\r"})
		text := func(name string) string {
			s := strings.Join(rapid.SliceOfN(line, 0, 12).Draw(t, name), "\n")
			if s != "" && rapid.Bool().Draw(t, "newline") {
				s += "\n"
			}
			return s
		}
		same := func(name string) string { return strings.Repeat("same\n", rapid.IntRange(0, 9).Draw(t, name)) }
		head, tail := same("head"), same("tail")
		before, after := head+text("before"), head+text("after")
		if strings.HasSuffix(before, "\n") && strings.HasSuffix(after, "\n") {
			before, after = before+tail, after+tail
		}
		f, err := Compare("f", before, after, nil)
		if err != nil {
			t.Fatal(err)
		}
		p := filepath.Join(dir, "f")
		if err := os.WriteFile(p, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("patch", "--binary", "--fuzz=0", "--verbose", p)
		cmd.Stdin = strings.NewReader(f.Unified())
		if f.Unified() != "" {
			// An offset would mean that the numbers of the lines are wrong.
			if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte("offset")) {
				t.Fatalf("%v: %s\n%q\n%q\n%s", err, out, before, after, f.Unified())
			}
		}
		got, err := os.ReadFile(p)
		if os.IsNotExist(err) {
			got = nil // patch removes a file that becomes empty
		}
		if !bytes.Equal(got, []byte(after)) {
			t.Fatalf("%q patched to %q, want %q\n%s", before, got, after, f.Unified())
		}
	})
}
