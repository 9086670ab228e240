package report_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"postseal/certs"
	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/lab"
	"postseal/internal/plan"
	"postseal/internal/report"
	"postseal/internal/session"
)

var update = flag.Bool("update", false, "write what is printed into testdata")

// unclean says whether text could do something to a terminal beside being shown.
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
		"bad\xff\xfe":               "bad��",
		"nul\x00del\x7f":            `nul\u0000del\u007f`,
	} {
		if got := report.Clean(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "text") + string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		out := report.Clean(s)
		if unclean(out) {
			t.Fatalf("%q became %q", s, out)
		}
		if report.Clean(out) != out {
			t.Fatalf("%q is not clean after all", out)
		}
	})
}

func FuzzClean(f *testing.F) {
	f.Add("\x1b[2J\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		if out := report.Clean(s); unclean(out) {
			t.Errorf("%q became %q", s, out)
		}
	})
}

// TestWrap: no word is lost, and no line is wider than asked unless it is one word.
func TestWrap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOf(rapid.StringMatching(`[a-zäß✓]{1,12}`)).Draw(t, "words"), " ")
		width := rapid.IntRange(1, 60).Draw(t, "width")
		lines := report.Wrap(text, width)
		if strings.Join(strings.Fields(strings.Join(lines, " ")), " ") != text {
			t.Fatalf("%q became %q", text, lines)
		}
		for _, l := range lines {
			if utf8.RuneCountInString(l) > width && strings.Contains(l, " ") {
				t.Fatalf("%q is wider than %d", l, width)
			}
		}
	})
}

// machine is a server with an ageing configuration; extra lines go to main.cf.
func open(t *testing.T, extra string, leaf lab.Leaf) (*session.Session, *plan.Plan) {
	t.Helper()
	ca := lab.NewCA(t)
	mx := ca.Issue(t, leaf)
	m := lab.Machine(t, "3.7.11", map[string]string{
		"main.cf": "myhostname = mx.example.org\nrelay_domains = example.org\ninet_interfaces = 127.0.0.1\n# ours\nsmtpd_use_tls = yes\nsmtpd_tls_cert_file = /c/mx.pem\n" +
			"smtpd_tls_key_file = /c/mx.key\n" + extra,
		"master.cf": "smtp inet n - y - - smtpd\nsmtps inet n - y - - smtpd\n  -o smtpd_tls_wrappermode=yes\n  -o smtpd_tls_security_level=none\nsmtp unix - - y - - smtp\n",
		"/c/mx.pem": mx.Cert + ca.IntermediatePEM, "/c/mx.key": mx.Key, "/etc/ssl/certs/ca-certificates.crt": ca.RootPEM,
	})
	s, err := session.Open(context.Background(), m, session.Settings{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Plan(s.Answers)
	if err != nil {
		t.Fatal(err)
	}
	return s, p
}

var dates = regexp.MustCompile(`20\d\d-\d\d-\d\d`)

// TestPlanText: the whole plan as text, wide and narrow, against testdata.
func TestPlanText(t *testing.T) {
	_, p := open(t, "", lab.Leaf{RSA: true})
	for _, width := range []int{100, 40} {
		var out bytes.Buffer
		if err := (report.Printer{W: &out, Width: width}).Plan(p); err != nil {
			t.Fatal(err)
		}
		got := dates.ReplaceAllString(out.String(), "DATE")
		path := filepath.Join("testdata", fmt.Sprintf("plan-%d.txt", width))
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got); d != "" {
			t.Errorf("at %d columns (-want +got)\n%s", width, d)
		}
	}
}

// ours are the only escape codes that may be printed.
var ours = regexp.MustCompile("\x1b\\[(0|1|31|32|33|90)m")

// TestHostile: names, paths and values from outside are printed without
// anything that a terminal would act on.
func TestHostile(t *testing.T) {
	s, p := open(t, "smtpd_tls_loglevel = \x1b]0;x\a1\n\x1b[31mname\u202e = y\nsmtpd_tls_ciphers = low\u009b2J\n", lab.Leaf{Names: []string{"mx.example.org", "a\x1b[31mb.example.org"}})
	bad := "text\x1b[2J\u202e\xff\r"
	r := &apply.Receipt{ID: bad, Kind: "apply", Phase: apply.Kept, ConfigDir: bad, Failure: bad, Warnings: []string{bad}, Entries: []apply.Entry{{Path: bad}}, Proofs: []apply.Proof{{OK: true, Addr: bad, Service: bad, Names: []string{bad}, Serves: map[string]string{"RSA": bad}}, {Stage: "greeting", Problem: bad}}}
	inspections, err := s.Facts.Judge(s.Machine, "/c/mx.pem", certs.Want{Names: []string{bad}})
	if err != nil {
		t.Fatal(err)
	}
	for name, print := range map[string]func(report.Printer) error{
		"facts":   func(p report.Printer) error { p.Facts(s.Facts); return nil },
		"plan":    func(pr report.Printer) error { return pr.Plan(p) },
		"risks":   func(p report.Printer) error { p.Risks([]plan.Risk{{Name: bad, Text: bad}}); return nil },
		"receipt": func(p report.Printer) error { p.Receipt(r, bad); return nil },
		"history": func(p report.Printer) error { p.History([]*apply.Receipt{r}); return nil },
		"step": func(p report.Printer) error {
			p.Step(apply.Event{Step: bad, State: apply.Failed, Text: bad})
			return nil
		},
		"errors": func(p report.Printer) error { p.Errors(hint.New(bad, bad)); return nil },
		"certificate": func(p report.Printer) error {
			p.Certificate(report.Judged{Where: bad, Role: bad, Inspection: &inspections[0]}, false)
			return nil
		},
		"unjudged": func(p report.Printer) error { p.Certificate(report.Judged{Where: bad, Err: bad}, true); return nil },
	} {
		for _, colour := range []bool{true, false} {
			var out bytes.Buffer
			if err := print(report.Printer{W: &out, Color: colour}); err != nil {
				t.Fatal(err)
			}
			text := out.String()
			if colour {
				text = ours.ReplaceAllString(text, "")
			}
			if text == "" || unclean(text) {
				t.Errorf("%s, colour %v: %q", name, colour, text)
			}
		}
	}
}

// TestPlanJSON: the data that other programs rely on, by its names; its diff
// is what patch(1) reads; and no key is in it.
func TestPlanJSON(t *testing.T) {
	lab.Need(t, "patch")
	s, p := open(t, "", lab.Leaf{})
	v, err := report.PlanJSON(p)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := (report.Printer{W: &out}).JSON(v); err != nil {
		t.Fatal(err)
	}
	noKey(t, s, out.String())
	var data struct {
		Pending bool                                `json:"pending"`
		Files   []struct{ Path, Kind, Diff string } `json:"files"`
		Changes []map[string]any                    `json:"changes"`
		Risks   []map[string]any                    `json:"risks"`
	}
	if err := json.Unmarshal(out.Bytes(), &data); err != nil {
		t.Fatal(err)
	}
	if !data.Pending || len(data.Files) < 3 || len(data.Changes) == 0 || len(data.Risks) == 0 {
		t.Fatalf("%s", out.String())
	}
	for _, key := range []string{"parameter", "before", "after", "why", "source"} {
		if _, ok := data.Changes[0][key]; !ok {
			t.Errorf("a change has no %q", key)
		}
	}
	for _, key := range []string{"name", "text"} {
		if _, ok := data.Risks[0][key]; !ok {
			t.Errorf("a risk has no %q", key)
		}
	}
	for i, f := range data.Files {
		if f.Kind == "chain" {
			if f.Diff != "" {
				t.Errorf("the diff of a file with a key: %s", f.Diff)
			}
			continue
		}
		path := lab.Write(t, t.TempDir(), "file", p.Files[i].Before, 0o600)
		cmd := exec.Command("patch", "--binary", "--fuzz=0", "-s", path)
		cmd.Stdin = strings.NewReader(f.Diff)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", f.Path, err, text)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != p.Files[i].After {
			t.Errorf("%s patched to %q, %v", f.Path, got, err)
		}
	}
}

// TestNoNull: an empty list is [], so that nobody stumbles over null; and no
// report holds a key.
func TestNoNull(t *testing.T) {
	s, p := open(t, "", lab.Leaf{})
	s.Facts.Instances, s.Facts.Managers, s.Facts.Unseen = nil, nil, nil
	pj, err := report.PlanJSON(&plan.Plan{})
	if err != nil {
		t.Fatal(err)
	}
	full, err := report.PlanJSON(p)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]any{"facts": report.FactsJSON(s.Facts), "empty plan": pj, "plan": full, "errors": report.ErrorsJSON(errors.New("x"), 1)} {
		var out bytes.Buffer
		if err := (report.Printer{W: &out}).JSON(v); err != nil {
			t.Fatal(err)
		}
		noKey(t, s, out.String())
		if strings.Contains(out.String(), ": null") {
			t.Errorf("%s: %s", name, out.String())
		}
	}
}

// noKey looks for the private key of the machine, and for any other.
func noKey(t *testing.T, s *session.Session, text string) {
	t.Helper()
	key, err := s.Machine.ReadFile("/c/mx.key")
	if err != nil {
		t.Fatal(err)
	}
	if body := strings.Split(string(key), "\n")[1]; strings.Contains(text, body) || strings.Contains(text, "PRIVATE KEY") {
		t.Error("a private key is in it")
	}
}

// TestReceipt: what a run did, and what to type next where there is something.
func TestReceipt(t *testing.T) {
	proof := apply.Proof{Service: "smtp/inet", Addr: "127.0.0.1:25", OK: true, Version: "TLS 1.3", Group: "X25519", Refused: "TLS 1.1"}
	for _, c := range []struct {
		r    *apply.Receipt
		want []string
		not  string
	}{
		{&apply.Receipt{ID: "0001", Kind: "apply", Phase: apply.Kept, Proofs: []apply.Proof{proof}, Warnings: []string{"odd"}}, []string{"✓ smtp/inet 127.0.0.1:25  TLS 1.3 X25519 · TLS 1.1 refused", "! log: odd", "Applied and proved, run 0001", "Undo: postseal undo"}, ""},
		{&apply.Receipt{ID: "0002", Kind: "apply", Phase: apply.Kept, FilesOnly: true}, []string{"nothing was reloaded", "Undo: postseal undo"}, "proved"},
		{&apply.Receipt{ID: "0003", Kind: "undo", Undoes: "0001", Phase: apply.Kept}, []string{"Run 0001 is undone"}, "Undo:"},
		{&apply.Receipt{ID: "0004", Kind: "apply", Phase: apply.RolledBack}, []string{"every file is as it was before run 0004"}, "Undo:"},
		{nil, nil, "run"},
	} {
		var out bytes.Buffer
		report.Printer{W: &out}.Receipt(c.r, "postseal undo")
		for _, w := range c.want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%q is missing in %q", w, out.String())
			}
		}
		if c.not != "" && strings.Contains(out.String(), c.not) {
			t.Errorf("%q says %q", out.String(), c.not)
		}
	}
}

// TestShellLine: a shell reads back the words that were meant.
func TestShellLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[ -~]{0,12}`), 1, 5).Draw(t, "words")
		out, err := exec.Command("sh", "-c", `for w in `+report.ShellLine(words)+`; do printf '%s\n' "$w"; done`).Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"); !cmp.Equal(got, words) {
			t.Fatalf("%q became %q", words, got)
		}
	})
}
