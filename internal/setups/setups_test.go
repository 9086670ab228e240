package setups

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"postseal/internal/lab"
)

var update = flag.Bool("update", false, "write what is seen into the golden files, for a review")

// built is the program under test, self this one.
var built, self string

func TestMain(m *testing.M) {
	inside()
	flag.Parse()
	dir, err := os.MkdirTemp("", "postseal-setups-")
	if err == nil {
		built = filepath.Join(dir, "postseal")
		self, err = os.Executable()
	}
	if err == nil {
		var out []byte
		if out, err = exec.Command("go", "build", "-o", built, "postseal/cmd/postseal").CombinedOutput(); err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// card is what is compared of audit --json.
type card struct {
	Facts struct {
		Role      string `json:"role"`
		RoleWhy   string `json:"role_why"`
		Listeners []struct {
			Service, Kind string
		}
		Managers []struct {
			Name, Evidence string
			Instead        string
			Overwrites     bool
		}
	}
	Card struct {
		Grades   []struct{ Part, Grade string }
		Findings []struct {
			ID, Title, Severity, Cure string
			Hits                      []struct{ Detail, Remedy string }
		}
	}
}

// planned is what is compared of plan --json.
type planned struct {
	Files []struct{ Path, Kind, Diff string }
	Risks []struct{ Name, Text string }
	Notes []string
}

// TestSetups: on each set-up in testdata the program says what NAME.golden says, which
// was reviewed as an administrator of that project would; then it applies its plan with the
// risks that stand there, has nothing more to do, and takes all of it back.
func TestSetups(t *testing.T) {
	lab.NeedRoot(t)
	lab.Need(t, "postfix", "postmap", "unshare", "nsenter", "ip")
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no set-ups: %v", err)
	}
	for _, path := range names {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(string(a.Comment), "SOURCE: ") {
				t.Errorf("%s does not say where the set-up is from", path)
			}
			b := newBed(t, a)
			before := b.files(t)
			var c card
			decode(t, b.postseal(t, []int{0, 3}, "audit", "--json", "--no-rehearsal"), &c)
			var p planned
			decode(t, b.postseal(t, []int{0, 3}, "plan", "--json"), &p)
			golden(t, strings.TrimSuffix(path, ".txtar")+".golden", review(c, p))

			apply := []string{"apply", "--yes"}
			for _, r := range p.Risks {
				apply = append(apply, "--accept-risk", r.Name)
			}
			b.postseal(t, []int{0}, apply...)
			var again planned
			decode(t, b.postseal(t, []int{0}, "plan", "--json"), &again)
			if len(again.Files) > 0 {
				t.Errorf("a second plan is not empty: %+v", again.Files)
			}
			b.postseal(t, []int{0}, "undo", "--yes")
			if d := cmp.Diff(before, b.files(t)); d != "" {
				t.Errorf("undo is not the identity (-before +after)\n%s", d)
			}
		})
	}
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
}

// review is what is told of a server, as a person reviews it.
func review(c card, p planned) string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("role: %s: %s", c.Facts.Role, c.Facts.RoleWhy)
	for _, l := range c.Facts.Listeners {
		say("listener: %s, %s", l.Service, l.Kind)
	}
	for _, m := range c.Facts.Managers {
		if m.Overwrites {
			say("written by: %s (%s), changes that last: %s", m.Name, m.Evidence, m.Instead)
		}
	}
	for _, g := range c.Card.Grades {
		say("grade: %s %s", g.Part, g.Grade)
	}
	for _, f := range c.Card.Findings {
		say("\n%s %s %s", f.Severity, f.ID, f.Title)
		for _, h := range f.Hits {
			say("    %s", h.Detail)
			if h.Remedy != "" {
				say("      remedy: %s", h.Remedy)
			}
		}
		if f.Cure != "" {
			say("    cure: %s", f.Cure)
		}
	}
	for _, f := range p.Files {
		if f.Kind != "answers" {
			say("\nchange %s\n%s", f.Path, strings.TrimRight(hunks(f.Diff), "\n"))
		}
	}
	for _, r := range p.Risks {
		say("\nrisk %s: %s", r.Name, strings.ReplaceAll(r.Text, "; ", ";\n    "))
	}
	for _, n := range p.Notes {
		say("\nnote: %s", n)
	}
	return b.String()
}

// hunks is a diff without its head and its positions.
func hunks(diff string) string {
	var out []string
	for line := range strings.Lines(diff) {
		switch {
		case strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "+++ "):
		case strings.HasPrefix(line, "@@ "):
			out = append(out, "@@\n")
		default:
			out = append(out, strings.TrimRight(line, " \n")+"\n")
		}
	}
	return strings.Join(out, "")
}

// golden compares with a file, or writes it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
		t.Errorf("%s (-want +got), go test -update writes it:\n%s", path, d)
	}
}
