package report_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"html/template"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"postseal/internal/audit"
	"postseal/internal/detect"
	"postseal/internal/domain"
	"postseal/internal/lab"
	"postseal/internal/probe"
	"postseal/internal/rehearse"
	"postseal/internal/report"
)

// judged is a server with something of everything.
func judged(t *testing.T, more ...audit.Suppression) (*audit.Evidence, audit.Card) {
	t.Helper()
	s, _ := open(t, lab.Leaf{}, nil)
	e := &audit.Evidence{Facts: s.Facts, NotSent: "only root can rehearse"}
	for _, l := range s.Facts.Receives(detect.Relay) {
		e.Live = append(e.Live, audit.Live{Listener: l, Named: []audit.Named{{Name: "mx.example.org", Ours: true, Err: errors.New("alert 80")}, {Name: "x", Certs: []*x509.Certificate{{}}}}, Seen: &probe.Enumeration{
			Handshakes: 12,
			Versions:   []probe.Version{{Name: "TLS 1.0", Suites: []probe.Accepted{{Suite: probe.Suite{Name: "TLS_RSA_WITH_RC4_128_SHA", OpenSSL: "RC4-SHA"}}}}},
		}})
	}
	e.Sent = &rehearse.Report{Trials: []rehearse.Trial{{Direction: "sending", Text: "all right", Got: "delivered", Verdict: rehearse.Fine}}}
	return e, audit.Audit(e, more...)
}

func suppressed(t *testing.T, f *detect.Facts, rule string) audit.Suppression {
	t.Helper()
	s, err := audit.ParseSuppression(rule+" until "+f.Now.AddDate(0, 1, 0).Format(time.DateOnly)+": it is well here", f.Now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSchema: what is printed as JSON is what the schema says, and a card that
// is not is refused by it.
func TestSchema(t *testing.T) {
	var schema any
	if err := json.Unmarshal(report.CardSchema, &schema); err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("card.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("card.json")
	if err != nil {
		t.Fatal(err)
	}
	e, card := judged(t)
	e.Domains = []*domain.Domain{{Name: "example.org", MX: []domain.MX{{Name: "mx.example.org"}}, STS: domain.STS{Problem: "the policy: 404"}}}
	with := suppressed(t, e.Facts, card.Findings[0].ID)
	bare := &audit.Evidence{Facts: e.Facts}
	for name, out := range map[string]string{
		"all":  asJSON(t, report.AuditJSON(e, audit.Audit(e, with))),
		"bare": asJSON(t, report.AuditJSON(bare, audit.Audit(bare))),
	} {
		if strings.Contains(out, "the policy: 404") == (name == "bare") {
			t.Errorf("%s: the domains are not as they are: %s", name, out)
		}
		var data any
		if err := json.Unmarshal([]byte(out), &data); err != nil {
			t.Fatal(err)
		}
		if err := compiled.Validate(data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := json.Unmarshal([]byte(strings.Replace(out, `"grade": "`, `"grade": "Z`, 1)), &data); err != nil {
			t.Fatal(err)
		}
		if compiled.Validate(data) == nil {
			t.Errorf("%s: the schema takes a grade of Z", name)
		}
	}
}

// TestCompare: a card against an older one says what is new and what is gone.
func TestCompare(t *testing.T) {
	e, now := judged(t)
	old := []byte(asJSON(t, report.AuditJSON(e, now)))
	same, err := report.Compare(old, now)
	if err != nil || len(same.Better)+len(same.Worse) != 0 || len(same.Grades) != len(audit.Parts) {
		t.Fatalf("%+v, %v", same, err)
	}
	if _, found := same.Worst(); found {
		t.Error("nothing became worse, and something did")
	}
	// Hiding a finding, or not looking, makes nothing better.
	hidden := suppressed(t, e.Facts, now.Findings[0].ID)
	less := audit.Audit(e, hidden)
	hush, err := report.Compare(old, less)
	if err != nil || len(hush.Better)+len(hush.Worse)+len(hush.Unseen) != 0 || len(hush.Suppressed) != 1 || !strings.HasPrefix(hush.Suppressed[0], hidden.Rule) {
		t.Errorf("%+v, %v", hush, err)
	}
	blind := *e
	blind.Live, blind.Sent = nil, nil
	unseen, err := report.Compare(old, audit.Audit(&blind))
	if err != nil || len(unseen.Better) != 0 || !slices.ContainsFunc(unseen.Unseen, func(l string) bool { return strings.HasPrefix(l, "PS-RCV-027") }) {
		t.Errorf("%+v, %v", unseen, err)
	}
	for _, g := range same.Grades {
		if g.Part == audit.Publishing && (g.Was != nil || g.Now != nil) {
			t.Errorf("a part that was not judged has points: %+v", g)
		}
	}
	if i := slices.IndexFunc(unseen.Grades, func(g report.GradeChange) bool { return g.Part == audit.Receiving }); !strings.Contains(unseen.Grades[i].Basis, "alone") {
		t.Errorf("%+v", unseen.Grades[i])
	}
	mended := *e
	mended.Live = slices.Clone(e.Live)
	mended.Live[0].Seen = &probe.Enumeration{Handshakes: 9, Versions: []probe.Version{{Name: "TLS 1.2", Suites: []probe.Accepted{{Suite: probe.Suite{Name: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"}}}}}}
	better, err := report.Compare(old, audit.Audit(&mended))
	if err != nil || !slices.ContainsFunc(better.Better, func(l string) bool { return strings.HasPrefix(l, "PS-RCV-027") }) {
		t.Errorf("%+v, %v", better, err)
	}
	// Nor does a look that did not see all.
	half := mended
	half.Live = slices.Clone(mended.Live)
	cut := *mended.Live[0].Seen
	cut.Incomplete = true
	half.Live[0].Seen = &cut
	dim, err := report.Compare(old, audit.Audit(&half))
	if err != nil || slices.ContainsFunc(dim.Better, func(l string) bool { return strings.HasPrefix(l, "PS-RCV-027") }) || !slices.ContainsFunc(dim.Unseen, func(l string) bool { return strings.HasPrefix(l, "PS-RCV-027") }) {
		t.Errorf("%+v, %v", dim, err)
	}
	worse, err := report.Compare([]byte(asJSON(t, report.AuditJSON(e, less))), now)
	if err != nil || len(worse.Worse) != 1 || !strings.HasSuffix(worse.Worse[0], "which was suppressed") || len(worse.Better) != 0 {
		t.Errorf("%+v, %v", worse, err)
	}
	if worst, found := worse.Worst(); !found || worst != now.Findings[0].Severity {
		t.Errorf("%s, %v", worst, found)
	}
	for _, bad := range []string{"", "{}", "[]", `{"version": 99}`, `{"version": "1"}`} {
		if _, err := report.Compare([]byte(bad), now); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestAll: what was not found stands where nobody takes it for what is, since a
// title says what is wrong.
func TestAll(t *testing.T) {
	_, card := judged(t)
	out := text(t, report.Printer{Width: 200}, func(p report.Printer) error { p.Card(card, true); return nil })
	passed, idle := card.Passed[0], card.Idle[0]
	for _, want := range []string{"  checked, and not found:\n    " + passed.ID + "  " + passed.Title + "\n", "  not applicable:\n    " + idle.ID + "  " + idle.Title + "\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(out, "✓") || strings.Contains(out, "not so") {
		t.Errorf("what is wrong has a sign of praise:\n%s", out)
	}
	short := text(t, report.Printer{Width: 200}, func(p report.Printer) error { p.Card(card, false); return nil })
	if strings.Contains(short, passed.ID) || strings.Contains(short, idle.ID) {
		t.Error("what was not asked for is printed")
	}
}

// TestForA: what an A needs is told where it is near.
func TestForA(t *testing.T) {
	c := audit.Card{Grades: []audit.Grade{{Part: audit.Receiving, Letter: "C", Points: 65}, {Part: audit.Sending, Letter: "F"}, {Part: audit.Certificates, Letter: "A", Points: 97}, {Part: audit.Publishing, Letter: audit.Unjudged, Basis: "nothing: DNS is silent"}}}
	if out := text(t, report.Printer{}, func(p report.Printer) error { p.Grades(c); return nil }); !strings.Contains(out, "not judged: DNS is silent\n") {
		t.Errorf("a part that is not judged is judged by something: %s", out)
	}
	for _, l := range strings.Split(strings.TrimSpace(text(t, report.Printer{}, func(p report.Printer) error { p.Grades(c); return nil })), "\n") {
		if strings.Contains(l, "an A needs 90") != strings.HasPrefix(l, string(audit.Receiving)) {
			t.Error(l)
		}
	}
}

// TestPage: the page needs nothing from elsewhere, and what comes from outside
// stays text.
func TestPage(t *testing.T) {
	e, _ := judged(t)
	const bad = `"><script>alert(1)</script>` + "\x1b[31m\u202e"
	e.Hostname, e.NotSent = bad, bad
	e.Sent.Trials[0].Got = bad
	e.Live[0].Seen.Versions[0].Suites[0].OpenSSL = bad
	card := audit.Audit(e, suppressed(t, e.Facts, "PS-RCV-010"), suppressed(t, e.Facts, "PS-PUB-002"))
	if len(card.Notes) == 0 || len(card.Grades[0].Lost) == 0 {
		t.Fatal("nothing to show")
	}
	var page bytes.Buffer
	if err := report.CardHTML(&page, e, card); err != nil {
		t.Fatal(err)
	}
	text := page.String()
	for _, no := range []string{"<script", "\x1b", "\u202e", "http://", "https://", "src=", "@import", "url("} {
		if strings.Contains(text, no) {
			t.Errorf("%q is in the page", no)
		}
	}
	if !strings.Contains(text, "OpenSSL 0.9.8") || !strings.Contains(text, "no TLS: no suite in common with TLS 1.0") {
		t.Error("no senders")
	}
	for _, l := range append(card.Grades[0].Lost, card.Notes...) {
		if !strings.Contains(text, template.HTMLEscapeString(l)) {
			t.Errorf("%q is missing", l)
		}
	}
	for _, f := range card.Findings {
		if !strings.Contains(text, f.ID) {
			t.Errorf("%s is missing", f.ID)
		}
	}
	if n := strings.Count(text, "<details"); n != strings.Count(text, "</details>") || n < len(card.Findings) {
		t.Errorf("%d details", n)
	}
}
