package wizard

import (
	"context"
	"strings"
	"testing"
	"time"

	"postseal/internal/apply"
	"postseal/internal/audit"
	"postseal/internal/plan"
	"postseal/internal/session"
)

// TestSummary: the last page says the grades before and after the run, what is still open
// and what to do about it, and what no handshake has shown; the grades stand in the record.
func TestSummary(t *testing.T) {
	m, run := hardened(t)
	h := sit(t, m, Options{NoColor: true})
	h.release()
	h.card.ready, h.review.plan = true, &plan.Plan{}
	h.card.card.Grades = []audit.Grade{{Part: audit.Receiving, Letter: "C"}, {Part: audit.Sending, Letter: "B"}}
	h.o.gather = func(context.Context, *session.Session) (*audit.Evidence, error) {
		return &audit.Evidence{Facts: h.session.Facts, NotLive: "x", NotSent: "x"}, nil
	}
	h.session.Facts.Root = true
	r := *run
	r.FilesOnly, r.ConfirmBy = false, time.Time{}
	h.stage, h.hold, h.result.Undo = applying, true, h.session.UndoCommand()
	h.send(ran{gen: h.gen, receipt: &r})
	if !strings.Contains(h.see(), "testing again") {
		t.Errorf("it does not say that grades are to come:\n%s", h.see())
	}
	finding := audit.Finding{}
	finding.Title, finding.Severity, finding.Cure.Text = "No TLSA records are published", audit.Low, "postseal publish"
	h.hold = false
	h.send(measured{run: r.ID, card: audit.Card{Grades: []audit.Grade{{Part: audit.Receiving, Letter: "A"}, {Part: audit.Sending, Letter: "B"}}, Findings: []audit.Finding{finding}}})
	for _, want := range []string{"Sealed.", "receiving C → A", "sending B", "still open   No TLSA records are published", "→ postseal publish", "Not verified: sending", "undo         postseal undo", "enter home"} {
		if !strings.Contains(h.see(), want) {
			t.Errorf("%q is missing\n%s", want, h.see())
		}
	}
	all, err := apply.History(m, session.DefaultStateDir, "/etc/postfix")
	if err != nil || len(all) != 1 || all[0].Grades["receiving"] != "A" {
		t.Errorf("recorded is %+v, %v", all, err)
	}
	if h.press("enter"); h.stage != homing {
		t.Errorf("enter leads to stage %d", h.stage)
	}
}

// TestTests: while a run waits there are commands for this server to try.
func TestTests(t *testing.T) {
	checks := []plan.Check{
		{Addr: "127.0.0.1:25", Mode: plan.STARTTLS}, {Addr: "192.0.2.1:465", Mode: plan.Implicit},
		{Addr: "127.0.0.1:2525", Mode: plan.GreetOnly}, {Addr: "127.0.0.1:26", Mode: plan.STARTTLS, Proxy: true},
	}
	got := strings.Join(tests("/etc/postfix", "mx.example.org", []string{"example.org"}, nil, checks), "\n")
	for _, want := range []string{
		"openssl s_client -brief -connect mx.example.org:25 -servername mx.example.org -starttls smtp",
		"openssl s_client -brief -connect 192.0.2.1:465 -servername mx.example.org\n", "postmaster@example.org", "sendmail YOU@",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if strings.Contains(got, ":2525") || strings.Contains(got, ":26 ") {
		t.Errorf("a listener that cannot be tried so is named:\n%s", got)
	}
}
