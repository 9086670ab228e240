package wizard

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/rehearse"
)

// TestForeign: where no answer changes what failed, none is offered to be changed.
// The line is edited elsewhere, and then the files are read again.
func TestForeign(t *testing.T) {
	f := files(t)
	f["main.cf"] += "smtpd_discard_ehlo_keywords = starttls\n"
	m := lab.Machine(t, "3.7.11", f)
	h := sit(t, m, Options{NoColor: true})
	h.release()
	h.begin()
	h.press("a", "enter")
	h.hold = true
	for n := 0; h.stage == accepting && n < 20; n++ {
		h.press("y")
	}
	if h.stage != rehearsing {
		t.Fatalf("stage %d: %s", h.stage, h.see())
	}
	h.held, h.hold = nil, false
	trial := func(name string, foreign bool) rehearse.Trial {
		return rehearse.Trial{Direction: "receiving", Service: "smtp/inet", With: name, Verdict: rehearse.Failed, Cause: &rehearse.Cause{
			Text: "it is taken out", Parameter: "smtpd_discard_ehlo_keywords", Origin: "/etc/postfix/main.cf:7", Question: "inbound-level", Foreign: foreign}}
	}
	h.send(rehearsed{h.gen, &rehearse.Report{Trials: []rehearse.Trial{trial("one", true), trial("other", false)}}, nil})
	if seen := h.see(); strings.Contains(seen, "change the answer") || !strings.Contains(seen, "r reload files") || !strings.Contains(seen, "After editing, press r") {
		t.Errorf("%s", seen)
	}
	h.press("e")
	if h.stage != rehearsing {
		t.Fatalf("an answer is to be changed that changes nothing: stage %d", h.stage)
	}
	h.press("tab")
	if seen := h.see(); !strings.Contains(seen, "e change the answer") || strings.Contains(seen, "r read") {
		t.Errorf("%s", seen)
	}
	h.press("tab")
	edit(t, m, "starttls", "dsn")
	h.press("r")
	if h.stage != reviewing || h.review.err != nil || h.review.plan == nil || h.session.Facts.Config.Text(nil, "smtpd_discard_ehlo_keywords") != "dsn" {
		t.Errorf("stage %d, %v: %s", h.stage, h.review.err, h.see())
	}
}

// edit is somebody with an editor in main.cf.
func edit(t *testing.T, m *host.Fake, before, after string) {
	t.Helper()
	path := filepath.Join(m.Root, "etc/postfix/main.cf")
	data, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte(strings.ReplaceAll(string(data), before, after)), 0o644) //nolint:gosec // as it was
	}
	if err != nil {
		t.Fatal(err)
	}
}
