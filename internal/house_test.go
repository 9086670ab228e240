// Package internal_test holds the laws of the house: which package may know
// which. internal/README.md draws the picture.
package internal_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// floors are the packages from the ground up; an import only ever goes to a
// lower floor. What stands on one floor does not know its neighbours.
var floors = [][]string{
	{"internal/hint"},
	{"internal/postfix/logical"},
	{"internal/postfix/maincf"},
	{"internal/postfix/mastercf"},
	{"certs/authority", "certs/dnsproviders"},
	{"certs/dnsproviders/gen"},
	{"certs"},
	{"templates", "internal/postfix", "internal/probe", "internal/sink", "internal/host", "internal/ask", "internal/diff"},
	{"internal/resolve", "internal/lifecycle", "internal/maillog", "internal/hello"},
	{"internal/dane", "internal/census", "internal/listen"},
	{"internal/domain"},
	{"internal/detect", "internal/senders", "certs/acme"},
	{"certs/acme/legodns"},
	{"internal/interview", "internal/publish", "internal/posture"},
	{"internal/policy"},
	{"internal/plan"},
	{"internal/rehearse"},
	{"internal/audit"},
	{"internal/apply"},
	{"internal/lineage"},
	{"internal/session"},
	{"internal/report"},
	{"wizard/quiet"},
	{"wizard"},
	{"cmd/cli"},
	{"cmd/postseal", "cmd/postseal-probe"},
	// Tests and pictures stand beside the house.
	{"internal/lab", "internal/lab/pebble"},
	{"internal/story"},
	{"internal/faults", "internal/setups"},
}

// only says who alone may link a library, directly or not, and why.
var only = []struct {
	library string
	users   []string
	why     string
}{
	{"github.com/charmbracelet/bubbletea", []string{"wizard", "cmd/postseal"}, "what is shown is the wizard's; its init asks the terminal"},
	{"github.com/charmbracelet/lipgloss", []string{"wizard", "cmd/postseal"}, "styles are the wizard's"},
	{"github.com/spf13/cobra", []string{"cmd/cli", "cmd/postseal", "cmd/postseal-probe"}, "the command line is cmd's"},
	{"github.com/go-acme/lego", []string{"certs/acme", "certs/acme/legodns", "internal/lineage", "internal/session", "wizard", "cmd/postseal"}, "ACME is behind certs/acme"},
	{"postseal/internal/session", []string{"wizard", "cmd/postseal"}, "what only looks from outside stays small"},
	{"github.com/charmbracelet/x/vt", []string{"internal/story"}, "a terminal emulator has no place in the product"},
	{"pgregory.net/rapid", []string{}, "tests only"},
	{"testing", []string{"internal/lab", "internal/lab/pebble", "internal/story"}, "the product does not link the testing package"},
}

// direct says who alone may import a library itself, and why.
var direct = []struct {
	library string
	users   []string
	why     string
}{
	{"github.com/miekg/dns", []string{"internal/host", "internal/resolve", "internal/rehearse", "certs/acme", "certs/acme/legodns", "internal/lab", "internal/lab/pebble"}, "lookups go through internal/resolve, which tells absent and unknown apart; the others serve or change zones"},
	{"github.com/klauspost/compress/gzip", []string{"internal/census"}, "only logs are compressed"},
	{"github.com/klauspost/compress/zstd", []string{"internal/census"}, "only logs are compressed"},
	{"github.com/ulikunitz/xz", []string{"internal/census"}, "only logs are compressed"},
}

// alone lists packages that need the standard library and one library at most.
var alone = map[string]string{
	"internal/ask":              "github.com/pelletier/go-toml/v2",
	"internal/diff":             "github.com/aymanbagabas/go-udiff",
	"templates":                 "",
	"internal/postfix/maincf":   "",
	"internal/postfix/mastercf": "",
	"internal/postfix":          "",
	"internal/hint":             "",
	"internal/probe":            "",
	"internal/sink":             "",
	"certs":                     "",
	"certs/authority":           "",
	"certs/dnsproviders":        "",
}

// pkg is what go list tells of a package.
type pkg struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
}

func load(t *testing.T) map[string]pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports,Deps", "postseal/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]pkg{}
	d := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
}

// violations checks the laws on a set of packages.
func violations(all map[string]pkg) (out []string) {
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	floor := map[string]int{}
	for i, f := range floors {
		for _, name := range f {
			floor["postseal/"+name] = i
		}
	}
	for path, p := range all {
		name, ours := strings.CutPrefix(path, "postseal/")
		if !ours {
			continue
		}
		if name == "internal" || strings.HasPrefix(name, "zz_") {
			continue // this folder of tests, and what is not committed
		}
		here, known := floor[path]
		if !known {
			say("%s has no floor: give it one in internal/house_test.go", name)
			continue
		}
		for _, i := range p.Imports {
			if there, ok := floor[i]; ok && there >= here {
				say("%s imports %s, which is not below it", name, i)
			}
		}
		for _, rule := range direct {
			if slices.Contains(p.Imports, rule.library) && !slices.Contains(rule.users, name) {
				say("%s imports %s: %s", name, rule.library, rule.why)
			}
		}
		for _, rule := range only {
			uses := slices.ContainsFunc(p.Deps, func(d string) bool { return d == rule.library || strings.HasPrefix(d, rule.library+"/") })
			if uses && rule.why != "" && !slices.Contains(rule.users, name) {
				say("%s links %s: %s", name, rule.library, rule.why)
			}
		}
		library, isAlone := alone[name]
		if !isAlone {
			continue
		}
		for _, d := range p.Deps {
			if !all[d].Standard && !strings.HasPrefix(d, "postseal/") && (library == "" || !strings.HasPrefix(d, library)) {
				say("%s links %s; it should do with the standard library%s", name, d, map[bool]string{true: "", false: " and " + library}[library == ""])
			}
		}
	}
	slices.Sort(out)
	return out
}

func TestDirections(t *testing.T) {
	for _, v := range violations(load(t)) {
		t.Error(v)
	}
}

// TestDirectionsCanFail sees each law fail once.
func TestDirectionsCanFail(t *testing.T) {
	for name, c := range map[string]struct {
		p    pkg
		want string
	}{
		"upwards":    {pkg{ImportPath: "postseal/internal/plan", Imports: []string{"postseal/internal/apply"}}, "not below"},
		"neighbours": {pkg{ImportPath: "postseal/certs", Imports: []string{"postseal/internal/host"}}, "not below"},
		"drawing":    {pkg{ImportPath: "postseal/internal/report", Deps: []string{"github.com/charmbracelet/lipgloss"}}, "links"},
		"cobra":      {pkg{ImportPath: "postseal/wizard", Deps: []string{"github.com/spf13/cobra"}}, "links"},
		"testing":    {pkg{ImportPath: "postseal/internal/plan", Deps: []string{"testing"}}, "links"},
		"libraries":  {pkg{ImportPath: "postseal/internal/diff", Deps: []string{"github.com/miekg/dns"}}, "standard library"},
		"lookups":    {pkg{ImportPath: "postseal/internal/plan", Imports: []string{"github.com/miekg/dns"}}, "lookups go through"},
		"no floor":   {pkg{ImportPath: "postseal/internal/util"}, "has no floor"},
	} {
		got := violations(map[string]pkg{c.p.ImportPath: c.p})
		if len(got) != 1 || !strings.Contains(got[0], c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
