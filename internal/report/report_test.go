package report_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postseal/certs"
	"postseal/internal/apply"
	"postseal/internal/audit"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/lab"
	"postseal/internal/plan"
	"postseal/internal/report"
	"postseal/internal/session"
)

const ageing = `myhostname = mx.example.org
relay_domains = example.org
inet_interfaces = 127.0.0.1
# ours
smtp_tls_loglevel = 1
smtpd_tls_loglevel = 1
smtpd_use_tls = yes
smtpd_tls_cert_file = /c/mx.pem
smtpd_tls_key_file = /c/mx.key
`

// master has the same override twice, and each goes for a reason of its own.
const master = `smtp inet n - y - - smtpd
  -o smtpd_tls_security_level=none
submission inet n - y - - smtpd
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_tls_security_level=none
smtp unix - - y - - smtp
`

// open is a session and its plan on a server with an ageing configuration.
// files stand in for those of the same name.
func open(t *testing.T, leaf lab.Leaf, files map[string]string) (*session.Session, *plan.Plan) {
	t.Helper()
	ca := lab.NewCA(t)
	mx := ca.Issue(t, leaf)
	all := map[string]string{
		"main.cf": ageing, "master.cf": master, "/c/mx.key": mx.Key, "/c/mx.pem": mx.Cert + ca.IntermediatePEM,
		"/c/both.pem": mx.Key + mx.Cert + ca.IntermediatePEM, "/etc/ssl/certs/ca-certificates.crt": ca.RootPEM,
		"/etc/resolv.conf": "nameserver 127.0.0.1\n", "/var/spool/postfix/etc/resolv.conf": "nameserver 127.0.0.1\n",
	}
	maps.Copy(all, files)
	s, err := session.Open(context.Background(), lab.Machine(t, "3.7.11", all), session.Settings{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Plan(s.Answers)
	if err != nil {
		t.Fatal(err)
	}
	return s, p
}

// text is what a report prints.
func text(t *testing.T, p report.Printer, show func(report.Printer) error) string {
	t.Helper()
	var out bytes.Buffer
	p.W = &out
	if err := show(p); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// ours are the only escape codes that may be printed.
var ours = regexp.MustCompile("\x1b\\[(0|1|31|32|33|90)m")

// forged is a line that looks like one of ours, but for where it starts.
var forged = regexp.MustCompile(`(?m)^\s+! forged`)

// TestHostile: names, paths and log lines from outside are printed without
// anything that a terminal would act on, and cannot draw a line of their own.
func TestHostile(t *testing.T) {
	const line = "text\x1b[2J\x1b]0;x\a\u009b2J\u202e\xff\r\x7f\x00"
	const bad = line + "\n! forged"
	s, p := open(t, lab.Leaf{Names: []string{"mx.example.org", "a\x1b[31mb\n! forged"}}, map[string]string{
		"main.cf": ageing + "smtp_tls_loglevel = \x1b]0;x\a1\n\x1b[31mname\u202e = y\nsmtpd_tls_ciphers = low\u009b2J\n",
	})
	found, err := s.Facts.Judge(s.Machine, "/c/mx.pem", certs.Want{Names: []string{bad}})
	if err != nil {
		t.Fatal(err)
	}
	f := *s.Facts
	f.Config.Dir, f.OpenSSL, f.RoleWhy, f.Hostname = bad, bad, bad, bad
	f.Instances = []detect.Instance{{Name: bad, Dir: bad + "/"}}
	f.Needed = []detect.Name{{Name: bad, Why: bad}}
	f.Listeners = append(f.Listeners, detect.Listener{Addr: bad, Level: bad})
	f.Certificates = append(f.Certificates,
		detect.Certificate{Server: true, Chain: bad, Key: bad, Facts: certs.Facts{Names: []string{bad}, Issuer: bad, Algorithm: bad}},
		detect.Certificate{Services: []string{bad}, Err: errors.New(bad)})
	f.Bundle.Path, f.Resolver.Path, f.Resolver.Why, f.Log = bad, bad, bad, detect.Log{Path: bad, Why: bad}
	f.Managers = []detect.Manager{{Name: bad, Evidence: bad}}
	f.Problems = append(f.Problems, detect.Problem{Parameter: bad, Text: bad})
	f.Unseen = []detect.Unseen{{What: bad, Why: bad}}

	hostile := *p
	hostile.Files = append(hostile.Files,
		plan.File{Path: bad, Kind: plan.MainCF, Before: "smtpd_use_tls = " + line, After: line},
		plan.File{Path: bad, Kind: plan.ChainPEM, Assemble: &plan.Assembly{From: []string{bad}, Contents: []string{bad}}})
	hostile.Risks, hostile.Notes = []plan.Risk{{Name: bad, Text: bad}}, []string{bad}
	hostile.Changes = []plan.Change{{Parameter: "smtpd_use_tls", Why: bad, Source: bad}}
	hostile.Checks = append(hostile.Checks, plan.Check{Addr: bad})

	receipt := func(change func(*apply.Receipt)) *apply.Receipt {
		r := &apply.Receipt{
			ID: bad, Kind: "apply", Phase: apply.Kept, ConfigDir: bad, Undoes: bad, Failure: bad, Warnings: []string{bad}, Entries: []apply.Entry{{Path: bad}},
			Proofs: []apply.Proof{
				{OK: true, Addr: bad, Service: bad, Version: bad, Names: []string{bad}, Serves: map[string]string{"RSA": bad}, Refused: bad},
				{Stage: "greeting", Problem: bad},
			},
		}
		change(r)
		return r
	}
	receipts := []*apply.Receipt{
		receipt(func(*apply.Receipt) {}), receipt(func(r *apply.Receipt) { r.FilesOnly = true }), receipt(func(r *apply.Receipt) { r.Kind = "undo" }),
		receipt(func(r *apply.Receipt) { r.Phase = apply.RolledBack }), receipt(func(r *apply.Receipt) { r.Phase = apply.Reverting }),
		receipt(func(r *apply.Receipt) { r.Kind, r.Phase = bad, bad }),
	}
	unjudged := report.Judged{Where: bad, Role: bad, Err: bad}
	judged := report.Judged{Where: bad, Role: bad, Inspection: &found[0]}
	planJSON, err := report.PlanJSON(&hostile)
	if err != nil {
		t.Fatal(err)
	}

	// Errors may have several lines; the others of them are indented.
	manyLines := map[string]bool{"errors": true, "steps": true, "history": true, "unjudged": true}
	for name, show := range map[string]func(report.Printer) error{
		"facts": func(p report.Printer) error { p.Facts(&f); return nil },
		"card":  func(p report.Printer) error { p.Card(audit.Audit(&audit.Evidence{Facts: &f}), true); return nil },
		"plan":  func(p report.Printer) error { return p.Plan(&hostile, "postseal undo", false) },
		"receipts": func(p report.Printer) error {
			for _, r := range receipts {
				p.Receipt(r, bad)
			}
			return nil
		},
		"history": func(p report.Printer) error { p.History(receipts); return nil },
		"steps": func(p report.Printer) error {
			for _, state := range []apply.State{apply.Done, apply.Noted, apply.Failed} {
				p.Step(apply.Event{Step: bad, State: state, Text: bad})
			}
			return nil
		},
		"errors":      func(p report.Printer) error { p.Errors(errors.Join(hint.New(bad, bad), errors.New(bad))); return nil },
		"certificate": func(p report.Printer) error { p.Certificate(judged, false); return nil },
		"brief":       func(p report.Printer) error { p.Certificate(judged, true); return nil },
		"unjudged":    func(p report.Printer) error { p.Certificate(unjudged, true); return nil },
		"facts JSON":  func(p report.Printer) error { return p.JSON(report.FactsJSON(&f)) },
		"card JSON": func(p report.Printer) error {
			return p.JSON(report.AuditJSON(&audit.Evidence{Facts: &f}, audit.Audit(&audit.Evidence{Facts: &f})))
		},
		"plan JSON":    func(p report.Printer) error { return p.JSON(planJSON) },
		"receipt JSON": func(p report.Printer) error { return p.JSON(receipts) },
		"errors JSON":  func(p report.Printer) error { return p.JSON(report.ErrorsJSON(hint.New(bad, bad), 1)) },
		"judged JSON":  func(p report.Printer) error { return p.JSON([]report.Judged{judged, unjudged}) },
	} {
		for _, p := range []report.Printer{{}, {Width: 40}, {Width: 200}, {Color: true}} {
			out := text(t, p, show)
			if p.Color {
				out = ours.ReplaceAllString(out, "")
			}
			if out == "" || unclean(out) {
				t.Errorf("%s, colour %v: %q", name, p.Color, out)
			}
			if strings.Contains(out, "\n! forged") || !manyLines[name] && forged.MatchString(out) {
				t.Errorf("%s at width %d: a line is forged", name, p.Width)
			}
		}
	}
}

// TestUnjudged: nothing is known of a certificate that was not inspected, and
// that is neither good nor a crash.
func TestUnjudged(t *testing.T) {
	out := text(t, report.Printer{}, func(p report.Printer) error { p.Certificate(report.Judged{Where: "/c/mx.pem"}, true); return nil })
	if out != "! /c/mx.pem\n  it could not be judged\n" {
		t.Errorf("%q", out)
	}
}

// TestRemarks: what is found is told without the settings that the card judges,
// and not as if there were none.
func TestRemarks(t *testing.T) {
	s, _ := open(t, lab.Leaf{}, nil)
	out := text(t, report.Printer{}, func(p report.Printer) error { p.Remarks(s.Facts); return nil })
	if strings.Contains(out, "none obsolete") || !strings.Contains(out, "1 of them obsolete") || strings.Contains(out, "do not do what they seem to") {
		t.Error(out)
	}
}

// TestAccess: how other accounts can read a key is told at the width of a terminal,
// each with its command on a line of its own.
func TestAccess(t *testing.T) {
	weak := []detect.Weakness{
		{Kind: detect.EveryoneReads, Path: "/etc/ssl/mx.key", Text: "every user can read the private key in /etc/ssl/mx.key", Remedy: []string{"chmod", "o-r", "/etc/ssl/mx.key"}},
		{Kind: detect.StrangerOwns, Path: "/var/lib/caddy", Text: "/var/lib/caddy is owned by caddy, as which Caddy renews it"},
		{Kind: detect.GroupReads, Path: "/etc/ssl/mx.key", Text: "members of the group ssl-cert can read the private key in /etc/ssl/mx.key\x1b[2J: postgres", Remedy: []string{"chmod", "g-r", "/etc/ssl/mx.key"}},
	}
	for width, want := range map[int]string{
		80: `✗ /etc/ssl/mx.pem  of smtp/inet
  broken
  ✗ access      every user can read the private key in /etc/ssl/mx.key
                → chmod o-r /etc/ssl/mx.key
  ✗ access      /var/lib/caddy is owned by caddy, as which Caddy renews it
  ! access      members of the group ssl-cert can read the private key in
                /etc/ssl/mx.key\u001b[2J: postgres
                → chmod g-r /etc/ssl/mx.key
`,
		40: `✗ /etc/ssl/mx.pem  of smtp/inet
  broken
  ✗ access      every user can read the
                private key in
                /etc/ssl/mx.key
                → chmod o-r /etc/ssl/mx.key
  ✗ access      /var/lib/caddy is owned
                by caddy, as which Caddy
                renews it
  ! access      members of the group
                ssl-cert can read the
                private key in
                /etc/ssl/mx.key\u001b[2J:
                postgres
                → chmod g-r /etc/ssl/mx.key
`,
	} {
		var b strings.Builder
		report.Printer{W: &b, Width: width}.Certificate(report.Judged{Where: "/etc/ssl/mx.pem", Role: "of smtp/inet", Err: "broken", Access: weak}, true)
		if d := cmp.Diff(want, b.String()); d != "" {
			t.Errorf("%d columns (-want +got)\n%s", width, d)
		}
	}
}
