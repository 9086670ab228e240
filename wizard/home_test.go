package wizard

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postseal/internal/apply"
	"postseal/internal/audit"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/session"
)

// hardened is a machine on which a run was made, and that run.
func hardened(t *testing.T) (*host.Fake, *apply.Receipt) {
	t.Helper()
	m := lab.Machine(t, "3.7.11", files(t))
	h := sit(t, m, Options{NoColor: true, FilesOnly: true})
	h.release()
	h.begin()
	h.press("a", "enter")
	for n := 0; h.stage == accepting && n < 20; n++ {
		h.press("y")
	}
	if h.result.Receipt == nil {
		t.Fatalf("nothing was applied: stage %d, %v\n%s", h.stage, h.result.Err, h.see())
	}
	return m, h.result.Receipt
}

// gradedAs makes evidence late, and a card with this letter for receiving.
func (h *hand) gradedAs(letter string) {
	h.card.ready = true
	h.card.card.Grades = []audit.Grade{{Part: audit.Receiving, Letter: letter, Basis: "x"}}
}

// TestHome: a rerun opens on home, at once, with what has changed and a way to everything
// by one key; a first run does not.
func TestHome(t *testing.T) {
	if h := open(t, files(t)); h.stage != looking {
		t.Fatalf("a first run opens on stage %d", h.stage)
	}
	m, run := hardened(t)
	if err := apply.Graded(context.Background(), m, session.DefaultStateDir, run.ID, map[string]string{"receiving": "A"}); err != nil {
		t.Fatal(err)
	}
	main := filepath.Join(m.Root, "/etc/postfix/main.cf")
	text, err := os.ReadFile(main)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(main, append(text, "# by hand\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	h := sit(t, m, Options{NoColor: true, FilesOnly: true})
	h.release()
	if h.stage != homing {
		t.Fatalf("a rerun opens on stage %d", h.stage)
	}
	h.gradedAs("C")
	for _, want := range []string{"receiving A → C", "Worse than after that run: receiving was A and is C. Press f.", "main.cf was edited on", "Since run 0001", "Undo", "History"} {
		if !strings.Contains(h.see(), want) {
			t.Errorf("%q is missing\n%s", want, h.see())
		}
	}
	for _, c := range [][2]string{{"c", "/etc/letsencrypt"}, {"d", "run it as root"}, {"p", "cannot be verified"}, {"r", "run it as root"}, {"u", "+smtpd_use_tls = yes"}, {"h", "0001-"}, {"f", "Go on to the questions"}, {"s", "Nothing was changed"}} {
		if h.session.Facts.Root && strings.Contains(c[1], "root") {
			continue
		}
		h.press(c[0])
		if c[0] == "u" {
			h.press("end")
		}
		if !strings.Contains(h.see(), c[1]) {
			t.Errorf("%s does not lead to %q\n%s", c[0], c[1], h.see())
		}
		if h.press("left"); h.stage != homing {
			t.Fatalf("← leads from %s to stage %d", c[0], h.stage)
		}
	}
	h.press("a")
	if h.stage != overview && h.stage != asking {
		t.Errorf("a leads to stage %d", h.stage)
	}
}

// TestHomeAfterRevert: after an automatic revert home says so, and why, and has nothing to undo.
func TestHomeAfterRevert(t *testing.T) {
	h := open(t, files(t))
	now := time.Now()
	runs := []*apply.Receipt{{ID: "0002-20261130-100000", Kind: "undo", Undoes: "0001-20261130-090000", Why: "it was not confirmed in time", Phase: apply.Kept, When: now}}
	h.send(looked{gen: h.gen, session: h.session, past: &past{runs: runs, reverted: "Run 0001 was reverted: it was not confirmed in time."}})
	for _, want := range []string{"✗ Run 0001 was reverted: it was not confirmed in time.", "Apply ", "undo of 0001"} {
		if !strings.Contains(h.see(), want) {
			t.Errorf("%q is missing\n%s", want, h.see())
		}
	}
	if strings.Contains(h.see(), " u  Undo") {
		t.Errorf("there is nothing to undo:\n%s", h.see())
	}
}

// TestHomeUndo: the last run is undone from its page, by another key than led there.
func TestHomeUndo(t *testing.T) {
	m, _ := hardened(t)
	h := sit(t, m, Options{NoColor: true, FilesOnly: true})
	h.release()
	h.press("u")
	h.press("u")
	if h.stage != reading || len(h.machine.changed) > 0 {
		t.Fatalf("a key that repeats undid the run: stage %d, %q", h.stage, h.machine.changed)
	}
	h.press("y")
	if h.stage != ended || h.end.err != nil || h.end.receipt.Kind != "undo" {
		t.Fatalf("stage %d, %v\n%s", h.stage, h.end.err, h.see())
	}
	h.lookAgain()
	h.see() // nothing was looked at yet
	main, err := os.ReadFile(filepath.Join(m.Root, "/etc/postfix/main.cf"))
	if err != nil || strings.Contains(string(main), "BEGIN postseal") {
		t.Errorf("%v\n%s", err, main)
	}
}

// TestPlainHome: the plain wizard has the same ways on as the drawn one.
func TestPlainHome(t *testing.T) {
	m, _ := hardened(t)
	lines := []string{"c", "d", "p", "r", "h", "x", "f", "", "u", "n", "u", "y"}
	p, typed, _ := sitPlain(t, m, func(string, string) string {
		l := lines[0]
		lines = lines[1:]
		return l
	})
	p.o.FilesOnly, p.o.rehearse = true, noPostfix
	r := p.run()
	if r.Err != nil || r.Receipt == nil || r.Receipt.Kind != "undo" || len(lines) > 0 {
		t.Fatalf("%+v, left %q\n%s", r, lines, typed.all.String())
	}
	for _, want := range []string{"Since run 0001", "✓ No file that postseal wrote was edited.", "Certificates\n", "/c/mx.pem", "Destinations\n", "Publish: TLSA", "Rehearsal of", "History\n", "Answer with one of", "Undo this run?", "-# BEGIN postseal"} {
		if !strings.Contains(typed.all.String(), want) {
			t.Errorf("%q is missing\n%s", want, typed.all.String())
		}
	}
}

// TestPlainSummary: the plain wizard ends on the grades too, and records them.
func TestPlainSummary(t *testing.T) {
	m, run := hardened(t)
	p, typed, _ := sitPlain(t, m, func(string, string) string { return "EOF" })
	s, err := p.o.open(p.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.session, p.grades = s, []audit.Grade{{Part: audit.Certificates, Letter: "F"}}
	s.Facts.Root = true
	r := *run
	r.FilesOnly = false
	p.summary(&r)
	if text := typed.all.String(); !strings.Contains(text, "was F, and is") || !strings.Contains(text, "Still open:") {
		t.Error(text)
	}
	all, err := apply.History(m, session.DefaultStateDir, "/etc/postfix")
	if err != nil || all[0].Grades["certificates"] == "" {
		t.Errorf("recorded is %+v, %v", all[0].Grades, err)
	}
}
