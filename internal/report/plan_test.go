package report_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postseal/internal/diff"
	"postseal/internal/lab"
	"postseal/internal/plan"
	"postseal/internal/report"
)

var update = flag.Bool("update", false, "write what is printed into testdata")

var dates = regexp.MustCompile(`20\d\d-\d\d-\d\d`)

// TestPlanText: the whole plan as text, wide and narrow, against testdata; and
// colours add nothing but themselves.
// TestLines: one line is no lines.
func TestLines(t *testing.T) {
	for _, c := range []struct {
		added, removed int
		want           string
	}{{1, 0, "1 line added, 0 removed"}, {0, 1, "0 lines added, 1 removed"}, {2, 1, "2 lines added, 1 removed"}} {
		if got := report.Lines(c.added, c.removed); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestPlanText(t *testing.T) {
	_, p := open(t, lab.Leaf{RSA: true}, nil)
	show := func(pr report.Printer) error { return pr.Plan(p, "postseal undo", false) }
	for _, width := range []int{80, 40} {
		plain := text(t, report.Printer{Width: width}, show)
		coloured := text(t, report.Printer{Width: width, Color: true}, show)
		if coloured == plain || ours.ReplaceAllString(coloured, "") != plain {
			t.Errorf("at %d columns colours change the text:\n%s", width, cmp.Diff(plain, coloured))
		}
		if strings.Contains(plain, "\x1b") {
			t.Errorf("at %d columns an escape code without colour: %q", width, plain)
		}
		got := dates.ReplaceAllString(plain, "DATE")
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

func TestNothingToDo(t *testing.T) {
	if out := text(t, report.Printer{}, func(p report.Printer) error { return p.Plan(&plan.Plan{}, "", false) }); !strings.HasPrefix(out, "Nothing to do") {
		t.Errorf("%q", out)
	}
}

// TestReasons: every line of Postfix's files that goes has a reason, and every
// override that comes; the same line of two services has two.
func TestReasons(t *testing.T) {
	_, p := open(t, lab.Leaf{}, nil)
	diffs, err := report.Diffs(p)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range diffs {
		if base := filepath.Base(d.Path); base != "main.cf" && base != "master.cf" {
			continue
		}
		for _, h := range d.Hunks {
			for _, l := range h.Lines {
				if l.Op == diff.Remove || l.Op == diff.Add && strings.Contains(l.Text, "-o ") {
					got = append(got, fmt.Sprintf("%c%s: %s", l.Op, strings.TrimSpace(l.Text), l.Why))
				}
			}
		}
	}
	want := []string{
		"-smtpd_tls_loglevel = 1: moves into the block",
		"-smtpd_use_tls = yes: replaced by smtpd_tls_security_level since Postfix 2.3",
		"-smtpd_tls_cert_file = /c/mx.pem: ignored by Postfix while smtpd_tls_chain_files is set",
		"-smtpd_tls_key_file = /c/mx.key: ignored by Postfix while smtpd_tls_chain_files is set",
		"--o smtpd_tls_security_level=none: it disabled TLS on port 25, overriding main.cf",
		"--o smtpd_tls_security_level=none: users log in here: passwords and mail only inside TLS",
		"+-o smtpd_tls_security_level=encrypt: users log in here: passwords and mail only inside TLS",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
