package wizard

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"postseal/certs/acme"
	"postseal/internal/apply"
	"postseal/internal/ask"
	"postseal/internal/audit"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/plan"
	"postseal/internal/policy"
	"postseal/internal/publish"
	"postseal/internal/rehearse"
)

// hostile is text as a peer, a log or a file name can carry it: sequences that
// a terminal obeys, marks that turn the direction of writing, a line of its
// own that looks like ours, and no end.
var hostile = "x\x1b[2J\x1b]0;title\a\u202eabc\u2066\u200b\r\nforged \x7f\u009b31m\xff" + strings.Repeat("long", 25)

// tour shows every page of the wizard, as a person would come by them. What a
// machine cannot easily be made to say is handed over as messages.
func tour(t *testing.T, machine func(*testing.T) *host.Fake, o Options, show func(h *hand, page string)) {
	t.Helper()
	m := machine(t)
	h := sit(t, m, o)
	show(h, "looking")
	h.send(lookStep{gen: h.gen, step: "Postfix"})
	show(h, "looking on")
	h.release()
	show(h, "looked")
	h.press("p")
	show(h, "problems")
	h.press("esc", "l")
	show(h, "what was run")
	h.press("esc", "enter")
	tourCard(h, show)
	h.press("enter")
	tourQuestions(h, show)
	tourReview(h, show)
	tourRun(h, show)

	o.FilesOnly = true
	h = sit(t, m, o)
	h.release()
	h.begin()
	h.press("a", "enter")
	for n := 0; h.stage == accepting && n < 20; n++ {
		h.press("y")
	}
	show(h, "sealed")
	receipt := h.result.Receipt
	if receipt == nil {
		t.Fatalf("nothing was applied: stage %d, %v\n%s", h.stage, h.result.Err, h.see())
	}

	h = sit(t, m, o)
	h.release()
	tourHome(h, show)
	h.press("a")
	show(h, "rerun")
	h.press("r")
	show(h, "review of nothing")
	h.press("enter")
	show(h, "nothing to do")

	h = sit(t, m, o)
	h.release()
	s := *h.session
	r := *receipt
	s.Pending, r.Phase = &r, apply.Written
	h.send(looked{gen: h.gen, session: &s, files: []string{"/etc/postfix/main.cf: " + hostile}})
	show(h, "pending")

	h = sit(t, m, o)
	h.release()
	s.Pending, s.Unconfirmed, r.ConfirmBy = nil, &r, m.Now().Add(time.Hour)
	s.Net = &apply.Unconfirmed{Run: r.ID, By: r.ConfirmBy, Ended: true}
	h.hold = true
	h.send(looked{gen: h.gen, session: &s, now: m.Now()})
	show(h, "keep it, and what was to put it back was ended")
	if page := strings.Join(h.keepPage().lines, " "); !strings.Contains(page, "It no longer reverts automatically") {
		t.Errorf("before it has counted it says %s", page)
	}

	h = sit(t, m, o)
	h.release()
	h.send(looked{gen: h.gen, session: &s, err: errors.New(hostile)})
	show(h, "looking failed")
	if !strings.Contains(ansi.Strip(h.steps()), "▸Look") {
		t.Errorf("it is at %q", h.steps())
	}

	o.Settings.Flags = map[string][]string{"cert": {"/none.pem"}, "client-cert": {"/c/\u202eb.pem"}}
	h = sit(t, machine(t), o)
	h.release()
	h.begin()
	h.press("a")
	show(h, "answers that cannot be used")
	h.press("e")
	show(h, "list of answers that cannot be used")
	for n := 0; n < 20 && !strings.Contains(h.see(), signHere+" client-cert "); n++ {
		h.press("down")
	}
	h.press("enter")
	show(h, "answer given before")

	o.Settings.Flags = nil
	h = sit(t, machine(t), o)
	h.release()
	tourOrder(h, show)

	h = sit(t, &host.Fake{Root: t.TempDir()}, o)
	h.release()
	show(h, "no Postfix")
}

// tourHome shows the page on which a rerun opens, and where it leads.
func tourHome(h *hand, show func(*hand, string)) {
	h.t.Helper()
	show(h, "home")
	was := h.home
	h.home.past = &past{runs: was.past.runs, last: was.past.last, reverted: "Run 1 was reverted: " + oneLine(hostile) + ".", edits: []apply.Edit{{Path: "/etc/postfix/main.cf"}, {Path: hostile, Gone: true}, {Err: errors.New(hostile)}}}
	h.home.around.held = []policy.Held{{QueueID: "4bKx", Domain: hostile, Reason: hostile}}
	h.home.around.published = []publish.Report{{Name: "x", Steps: []publish.Step{{Action: publish.Add, Due: true}}, Findings: []publish.Finding{{Owner: hostile, Text: hostile}}}}
	show(h, "home with much to do")
	h.press("end")
	show(h, "end of home")
	h.press("home")
	h.home.past = &past{reverted: "Run 1 was reverted."}
	show(h, "home after a revert")
	h.home = was
	for _, key := range []string{"c", "d", "p", "r", "u", "h"} {
		h.hold = true
		h.press(key)
		show(h, "document to come: "+key)
		h.release()
		show(h, "document "+key)
		h.press("esc")
	}
	if h.stage != homing {
		h.t.Fatalf("stage %d is not home", h.stage)
	}
}

func tourQuestions(h *hand, show func(*hand, string)) {
	for n := 0; h.stage == asking && n < 40; n++ {
		name := h.question.Name()
		show(h, name)
		h.press("?")
		show(h, "why of "+name)
		h.press("down", "down", "esc")
		if _, ok := h.question.FreeText(); ok {
			at := h.question.cursor
			h.choose(otherText)
			show(h, "last option of "+name)
			h.press("enter")
			show(h, "empty input of "+name)
			h.press("relative\x1b[31m/\u202epath/"+strings.Repeat("x", 100), "enter")
			show(h, "refused input of "+name)
			h.press("esc")
			h.choose(h.question.options[at].Text)
		}
		h.hold = true
		h.press("enter")
		if h.question.Repeats() {
			show(h, name+" while files are read")
		}
		h.release()
		if h.stage == asking && h.question.Name() == name {
			show(h, "refused "+name)
			h.press("a")
		}
	}
}

// tourCard shows the card, with what a peer can have put into it.
func tourCard(h *hand, show func(*hand, string)) {
	h.t.Helper()
	ready := h.card
	h.card.ready = false
	show(h, "card while it is looked")
	h.card = ready
	bad := audit.Finding{Rule: audit.Rule{}, Hits: []audit.Hit{{Detail: hostile}, {Detail: "two"}}}
	bad.ID, bad.Title, bad.Part, bad.Severity, bad.Why, bad.Level, bad.Source, bad.Cure.Question, bad.Cure.Text = "PS-RCV-001", "a title that is as long as they come, and goes on behind the edge of the window", audit.Receiving, audit.Critical, strings.Repeat("why ", 60), audit.Must, "RFC 3207", "inbound-level", "--inbound-level may"
	other := bad
	other.Severity, other.Cure.Text, other.Part = audit.Note, "postfix reload", audit.Sending
	c := &h.card
	c.card = audit.Card{Findings: []audit.Finding{bad, other}, Suppressed: []audit.Finding{other}, Grades: []audit.Grade{
		{Part: audit.Receiving, Letter: "F", Basis: hostile}, {Part: audit.Sending, Letter: "A", Points: 100, Basis: "x", Suppressed: 1}, {Part: audit.Publishing, Letter: audit.Unjudged, Basis: hostile}, {Part: audit.Certificates, Letter: "B", Points: 80, Basis: "x"}}}
	c.opinions = []audit.Opinion{{Who: "web scanners", What: "letter", Says: hostile, Why: "x"}}
	show(h, "card")
	h.press("o")
	show(h, "what others say")
	h.press("esc", "down", "down", "down")
	show(h, "end of the card")
	h.press("enter")
	show(h, "finding")
	h.press("tab")
	show(h, "another finding")
	h.press("down", "down", "esc", "home")
	for range 30 {
		c.card.Findings = append(c.card.Findings, other)
	}
	h.press("end")
	show(h, "long card")
	h.card = ready
	h.press("home")
}

// startOrder goes to the questions about a new certificate.
func startOrder(h *hand) {
	h.t.Helper()
	for h.begin(); h.stage == asking && h.question.Name() != certKey; {
		h.press("enter")
	}
	h.choose(newText)
	h.hold = true
	h.press("enter")
}

func tourOrder(h *hand, show func(*hand, string)) {
	startOrder(h)
	show(h, "before the order")
	h.release()
	for _, c := range [][2]string{{"server", "bound"}, {"eab-kid", "kid-1"}, {"eab-hmac-file", "/c/eab.key"}, {"name", "mx.example.org"}, {"challenge", "dns-rfc2136"},
		{"dns-server", "ns.example.org:53"}, {"tsig-key", "acme." + hostile[:1]}, {"tsig-secret-file", "/c/tsig"}, {"key-type", "P256"}} {
		if h.stage != asking || h.question.Name() != c[0] {
			h.t.Fatalf("the order asks %s where %s is wanted\n%s", h.question.Name(), c[0], h.see())
		}
		show(h, c[0])
		h.press("?")
		show(h, "why of "+c[0])
		h.press("esc")
		if slices.ContainsFunc(h.question.options, func(o ask.Option) bool { return o.Text == c[1] }) {
			h.choose(c[1])
		} else {
			h.choose(otherText)
			h.press("enter")
			show(h, "empty input of "+c[0])
			h.press(c[1])
		}
		h.press("enter")
	}
	if h.question.Name() == "both-uses" {
		show(h, "both-uses")
		h.hold = true
		h.press("enter")
		h.release()
	}
	show(h, "order of a CA that is silent")
	h.send(metaMsg{address: h.order.address, meta: acme.Meta{Terms: "https://ca.example.org/" + hostile}})
	show(h, "order")
	h.press("down", "enter")
	show(h, "answer of the order changed")
	h.press("left", "y")
	show(h, "order under way")
	h.stage, h.Model.run = applying, runState{title: "Ordering from " + hostile, done: make(chan struct{}, 1), cancel: func() {}}
	h.send(recordMsg{gen: h.gen, line: `_acme-challenge.mx.example.org. 120 IN TXT "` + hostile + `"`})
	show(h, "record by hand")
	h.press("ctrl+c")
	show(h, "stop the order")
	h.press("n", "enter")
	h.send(recordMsg{gen: h.gen, line: hostile, made: true})
	show(h, "record made")
	h.send(obtained{gen: h.gen, err: errors.New("ordering: " + hostile)})
	show(h, "order refused")
}

func tourReview(h *hand, show func(*hand, string)) {
	h.press("left")
	h.hold = true
	h.press("a")
	show(h, "review to come")
	h.release()
	if h.stage != reviewing || h.review.plan == nil {
		h.t.Fatalf("no review: stage %d, %v", h.stage, h.review.err)
	}
	for i := range h.review.files {
		show(h, fmt.Sprintf("review of file %d", i))
		h.press("end")
		show(h, fmt.Sprintf("end of file %d", i))
		h.press("tab")
	}
	h.send(savedPlan{h.gen, hostile})
	show(h, "saved plan")
	h.press("e")
	show(h, "list")
	h.press("r", "enter")
	for n := 0; h.stage == accepting && n < 20; n++ {
		show(h, "risk "+h.review.plan.Risks[h.risk.at].Name)
		h.hold = true
		h.press("y")
	}
}

func tourRehearsal(h *hand, show func(*hand, string)) {
	show(h, "rehearsing")
	bad := rehearse.Trial{Direction: "receiving", Service: hostile, With: "modern", Got: hostile, Want: hostile, Verdict: rehearse.Failed,
		Cause: &rehearse.Cause{Text: hostile, Parameter: "smtpd_tls_security_level", Origin: hostile, Question: "inbound-level"}}
	noted := rehearse.Trial{Direction: "sending", Level: "may", With: "stripped", Got: hostile, Verdict: rehearse.Noted, Cause: &rehearse.Cause{Text: "x"}}
	fine := rehearse.Trial{Direction: "sending", Level: "may", With: "trusted", Got: "delivered", Verdict: rehearse.Fine}
	h.send(trialDone{h.gen, noted})
	show(h, "rehearsing on")
	h.press("enter", "y")
	if h.stage != rehearsing {
		h.t.Fatalf("applied while the rehearsal runs: stage %d", h.stage)
	}
	h.held = nil // there is no Postfix to rehearse with
	h.send(rehearsed{h.gen, &rehearse.Report{Trials: []rehearse.Trial{fine, noted, bad}, Notes: []string{hostile}}, nil})
	show(h, "rehearsal failed")
	h.press("enter")
	if h.stage != rehearsing {
		h.t.Fatalf("enter accepts a failure: stage %d", h.stage)
	}
	h.press("tab")
	show(h, "the second of what is worth a look")
	h.press("tab", "a")
	show(h, "all trials")
	h.press("esc")
	h.send(rehearsed{h.gen, &rehearse.Report{Trials: []rehearse.Trial{fine}}, nil})
	show(h, "rehearsal is well")
	h.press("enter", "enter")
	if h.stage != rehearsing {
		h.t.Fatalf("enter changes the server: stage %d", h.stage)
	}
	h.send(rehearsed{h.gen, nil, fmt.Errorf("rehearsing: %w", errors.New(hostile))})
	show(h, "rehearsal is not possible")
	h.press("enter")
	if h.stage != rehearsing {
		h.t.Fatalf("enter accepts what was not rehearsed: stage %d", h.stage)
	}
	h.send(rehearsed{h.gen, &rehearse.Report{Trials: []rehearse.Trial{fine}, Missing: []string{"sending"}, Notes: []string{hostile}}, nil})
	show(h, "half a rehearsal")
	h.press("enter")
	if h.stage != rehearsing {
		h.t.Fatalf("enter accepts half a rehearsal: stage %d", h.stage)
	}
	h.press("y")
	if !slices.Contains(h.risk.accepted, plan.RiskUnrehearsed) {
		h.t.Errorf("accepted is %q", h.risk.accepted)
	}
}

func tourKeeping(h *hand, show func(*hand, string)) {
	h.hold = true
	h.stage = applying
	h.send(ran{h.gen, &apply.Receipt{ID: "1", Kind: "apply", Phase: apply.Kept, ConfirmBy: h.machine.m.Now().Add(10 * time.Minute)}, nil, nil})
	show(h, "keep it")
	h.end.receipt.Proofs, h.keep.title = []apply.Proof{{Service: "submission/inet", Addr: "[::1]:587"}}, applied(&apply.Receipt{Proofs: []apply.Proof{{}}})
	show(h, "keep it, and not all was proved")
	if page := strings.Join(strings.Fields(strings.Join(h.keepPage().lines, " ")), " "); !strings.Contains(page, "submission/inet on [::1]:587") || strings.Contains(page, "and proved") {
		h.t.Errorf("one listener is not proved, and what is said is %s", page)
	}
	h.end.receipt.Proofs = nil
	h.send(counted{gen: h.gen, follow: &apply.Follow{}, waits: true, now: h.keep.now})
	show(h, "keep it, no log")
	tally := apply.Tally{InOK: 1 << 40, InFailed: 9, OutFailed: 9, Deferred: 9, Died: 1, Warnings: []string{hostile}, Peers: map[string]int{hostile: 9}}
	h.send(counted{gen: h.gen, follow: &apply.Follow{}, readable: true, tally: tally, worse: "a Postfix daemon died", waits: true, now: h.keep.now.Add(time.Minute)})
	show(h, "keep it, worse")
	if page := strings.Join(h.keepPage().lines, " "); !strings.Contains(page, "Worse than before: a Postfix daemon died. Press n to undo") {
		h.t.Errorf("what is worse is not on the page, or not as a sentence: %s", page)
	}
	late := apply.Unconfirmed{Run: "1", By: h.keep.now, Failure: hostile, Trouble: hostile}
	h.send(counted{gen: h.gen, follow: &apply.Follow{}, readable: true, tally: apply.Tally{Peers: map[string]int{"192.0.2.77": 3}}, net: late, waits: true, now: h.keep.now.Add(time.Hour)})
	show(h, "keep it, and it did not go back")
	for _, text := range []string{"could not be reverted", "already had problems", "192.0.2.77"} {
		if !strings.Contains(h.see(), text) {
			h.t.Errorf("%q is not on the page:\n%s", text, h.see())
		}
	}
	h.press("n")
	h.press("ctrl+c")
	show(h, "putting back, asking whether to stop")
	h.send(ran{h.gen, &apply.Receipt{ID: "2", Kind: "undo", Undoes: "1", Phase: apply.RolledBack}, fmt.Errorf("%w: reload %s", apply.ErrRolledBack, hostile), nil})
	show(h, "could not be put back")
	for _, text := range []string{"Could not be reverted", "y confirm"} {
		if h.stage != keeping || h.result.Err != nil || !strings.Contains(strings.Join(append(h.keepPage().lines, keepKeys...), " "), text) {
			h.t.Errorf("stage %d, %v: %q is not on the page:\n%s", h.stage, h.result.Err, text, h.see())
		}
	}
	h.press("l")
	show(h, "what was counted")
	h.press("esc", "y")
	h.send(kept{gen: h.gen, err: errors.New(hostile)})
	show(h, "could not be kept")
	for _, c := range []struct {
		undo       *apply.Receipt
		err        error
		name, head string
	}{
		{&apply.Receipt{ID: "2", Undoes: "1", Why: hostile}, fmt.Errorf("%w: %s", apply.ErrRolledBack, hostile), "went back", "It was not confirmed in time. Everything was reverted."},
		{&apply.Receipt{ID: "2", Undoes: "1"}, fmt.Errorf("%w: %s", apply.ErrRolledBack, hostile), "undone elsewhere", "It was undone from another terminal."},
		{nil, fmt.Errorf("%s: %w", hostile, apply.ErrLost), "lost", "Its records are missing. The new settings are in effect."},
	} {
		h.stage, h.end = keeping, endState{receipt: &apply.Receipt{ID: "1", Kind: "apply", Phase: apply.Kept}}
		h.send(kept{gen: h.gen, undo: c.undo, err: c.err, stopped: true})
		show(h, c.name)
		if page := strings.Join(strings.Fields(h.see()), " "); !strings.Contains(page, c.head) || strings.Contains(page, "It failed") {
			h.t.Errorf("%s: %q is not on the page:\n%s", c.name, c.head, h.see())
		}
	}
	h.hold, h.held = false, nil
}

func tourRun(h *hand, show func(*hand, string)) {
	tourRehearsal(h, show)
	show(h, "applying")
	h.send(stepDone{h.gen, apply.Event{Step: "reload " + hostile, State: apply.Noted, Text: hostile}})
	show(h, "applying on")
	h.press("ctrl+c")
	show(h, "asking whether to stop")
	h.press("n")
	h.release() // fails: there is no postfix to reload
	show(h, "failed")
	steps := []apply.Event{{Step: hostile, State: apply.Done}, {Step: "reload", State: apply.Failed, Text: hostile}}
	end := func(r *apply.Receipt, err error) {
		h.stage = applying
		h.send(ran{h.gen, r, err, steps})
	}
	end(nil, fmt.Errorf("%w: %s", apply.ErrRolledBack, hostile))
	show(h, "rolled back")
	end(nil, fmt.Errorf("%w: %s", apply.ErrNotRolledBack, hostile))
	show(h, "not rolled back")
	end(&apply.Receipt{Kind: "apply", Phase: apply.Reverting, Restored: true}, fmt.Errorf("%w: %s", apply.ErrNotRolledBack, hostile))
	show(h, "files back, Postfix not")
	if page := strings.Join(h.failurePage().lines, " "); !strings.Contains(page, "Every file is restored") {
		h.t.Errorf("files are back, but what is said is %s", page)
	}
	end(&apply.Receipt{Kind: "undo", Undoes: "1", Phase: apply.RolledBack}, nil)
	show(h, "undo taken back")
	if page := h.see(); !strings.Contains(page, "Run 1 is in effect") {
		h.t.Errorf("an undo that is taken back leaves its run in force, and what is said is\n%s", page)
	}
	end(&apply.Receipt{Kind: "undo", Undoes: "1", Phase: apply.RolledBack}, fmt.Errorf("%w: %s", apply.ErrRolledBack, hostile))
	show(h, "not undone")
	if page := h.see(); strings.Contains(page, "Everything was rolled back") {
		h.t.Errorf("an undo failed, and what is said is\n%s", page)
	}
	end(&apply.Receipt{Kind: "apply", Phase: apply.RolledBack}, nil)
	show(h, "taken back")
	end(&apply.Receipt{Kind: "apply", Phase: apply.Kept, Warnings: []string{hostile}, Proofs: []apply.Proof{{OK: true, Addr: "127.0.0.1:25", Names: []string{hostile}}, {Addr: "[::1]:25", Stage: "handshake", Problem: hostile}}}, nil)
	show(h, "sealed and proved")
	h.press("l")
	show(h, "what was run in the end")
	h.press("esc")
	tourKeeping(h, show)
}

// friendly and unfriendly machines: the second has names as no one should
// have them.
func machines(t *testing.T) map[string]func(t *testing.T) *host.Fake {
	return map[string]func(*testing.T) *host.Fake{
		"plain": func(t *testing.T) *host.Fake {
			f := files(t)
			f["main.cf"] += "smtpd_enforce_tls = yes\n"
			return lab.Machine(t, "3.7.11", f)
		},
		"hostile": func(t *testing.T) *host.Fake {
			f := files(t)
			ca := lab.NewCA(t)
			evil := ca.Issue(t, lab.Leaf{Names: []string{"mx.example.org", "a\x1b[31mb.example.org", "n\nforged.example.org", strings.Repeat("long-", 25) + "name.example.org"}})
			f["/c/mx.pem"], f["/c/mx.key"] = evil.Cert+ca.IntermediatePEM, evil.Key
			for _, dir := range []string{"e\x1b[2Jvil\u202e", "new\nforged line", strings.Repeat("very-long-", 12), "宽宽宽é́"} {
				f["/etc/letsencrypt/live/"+dir+"/fullchain.pem"], f["/etc/letsencrypt/live/"+dir+"/privkey.pem"] = evil.Cert+ca.IntermediatePEM, evil.Key
			}
			f["main.cf"] += "smtpd_tls_loglevel = \x1b]0;title\a2\nsmtp_tls_note = \u202eabc\n" + strings.Repeat("x", 100) + " = y\nsmtpd_tls_CAfile = /" + strings.Repeat("very-long/", 20) + "\nsmtpd_banner = \x1b[31m\u202ered\n"
			m := lab.Machine(t, "3.7.11", f)
			m.Programs["postconf -c /etc/postfix -xh myhostname mydomain"] = host.Output{Stdout: "mx\x1b[31m\u202e." + strings.Repeat("long.", 20) + "example.org\nexample.org\n"}
			return m
		},
	}
}

// TestTourIsWhole: the tour shows every stage, and every question that can be
// asked there.
func TestTourIsWhole(t *testing.T) {
	seen := map[stage]int{}
	tour(t, machines(t)["plain"], Options{NoColor: true}, func(h *hand, page string) {
		if h.help == nil {
			seen[h.stage]++
		}
	})
	for s := looking; s <= failed; s++ {
		if seen[s] == 0 {
			t.Errorf("stage %d is not shown", s)
		}
	}
}
