package wizard

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"postseal/certs"
	"postseal/certs/acme"
	"postseal/internal/apply"
	"postseal/internal/ask"
	"postseal/internal/host"
	"postseal/internal/interview"
	"postseal/internal/lab"
	"postseal/internal/lab/pebble"
	"postseal/internal/plan"
	"postseal/internal/session"
)

// TestOrderIsNoAnswer: leaving an order, from wherever, leads back to the
// question it came from, with nothing answered and nothing written.
func TestOrderIsNoAnswer(t *testing.T) {
	for steps := range 6 {
		h := open(t, files(t))
		startOrder(h)
		h.release()
		for range steps {
			h.press("enter")
		}
		for n := 0; h.order != nil && n < 10; n++ {
			h.press("left")
		}
		if h.order != nil || h.stage != asking || h.question.Name() != certKey || h.server.answers.Texts(certKey) != nil {
			t.Errorf("after %d steps and back: stage %d\n%s", steps, h.stage, h.see())
		}
		if len(h.machine.changed) > 0 {
			t.Errorf("changed %q", h.machine.changed)
		}
	}
}

// TestOrderFails: an order that fails says why on its page, where answers can
// be changed; nothing is answered.
func TestOrderFails(t *testing.T) {
	h := open(t, files(t))
	startOrder(h)
	h.release()
	for n := 0; h.stage == asking && n < 10; n++ {
		h.press("enter")
	}
	// Nobody answers for this CA: there is nothing to order from it.
	if h.order.metaErr == nil || h.page().keys[0] != "y try again" {
		t.Errorf("%v %q", h.order.metaErr, h.page().keys)
	}
	h.press("y")
	if h.stage != overview || h.order.err != nil || h.order.metaErr == nil {
		t.Errorf("an order was begun: stage %d, %v", h.stage, h.order.err)
	}
	h.send(metaMsg{gen: h.gen, address: h.order.address}) // it did answer, and goes away before the order
	h.press("y")
	if h.stage != overview || h.order == nil || h.order.err == nil || !strings.Contains(h.see(), "cannot be reached") {
		t.Fatalf("%v\n%s", h.order, h.see())
	}
	if h.server.answers.Texts(certKey) != nil {
		t.Error("it is an answer")
	}
	h.send(obtained{gen: h.gen - 1, err: errors.New("late")})
	if strings.Contains(h.see(), "late") {
		t.Error("a late message counts")
	}
}

// TestOrderAsksAnew: whichever way leads back to the page of an order, the CA that
// is chosen there is asked about its terms, and nothing can be ordered before it has
// answered.
func TestOrderAsksAnew(t *testing.T) {
	h := open(t, files(t))
	startOrder(h)
	h.release()
	for n := 0; h.stage == asking && n < 10; n++ {
		h.press("enter")
	}
	h.order.address = "" // as if another CA had been chosen
	h.press("enter", "esc")
	if h.order.asking || h.order.metaErr == nil {
		t.Errorf("it waits for an answer that never comes:\n%s", h.see())
	}
	h.hold = true
	h.press("y")
	if !h.order.asking || strings.Contains(h.see(), "y order") {
		t.Errorf("it offers to order while the terms are looked up:\n%s", h.see())
	}
	if h.press("y"); h.stage != overview {
		t.Error("it orders before the terms are shown")
	}
}

// TestOrderKeepsAnswers: an order that was left is as it was when it is begun again.
// The error of an order goes when an answer is changed.
func TestOrderKeepsAnswers(t *testing.T) {
	h := open(t, files(t))
	startOrder(h)
	h.release()
	h.press("down", "enter") // another answer than the first
	key, typed := "", []string(nil)
	for _, q := range h.order.set {
		if h.order.answers.Source(q.Name()) == ask.Typed {
			key, typed = q.Name(), h.order.answers.Texts(q.Name())
		}
	}
	if key == "" {
		t.Fatal(h.see())
	}
	for n := 0; h.order != nil && n < 10; n++ {
		h.press("left")
	}
	h.choose(newText)
	h.press("enter")
	if h.order == nil || !slices.Equal(h.order.answers.Texts(key), typed) {
		t.Fatalf("%s is forgotten\n%s", key, h.see())
	}
	for n := 0; h.stage == asking && n < 10; n++ {
		h.press("enter")
	}
	h.order.err = errors.New("the CA refused it")
	h.press("enter")
	h.press("enter")
	if h.stage != overview || strings.Contains(h.see(), "the CA refused it") {
		t.Errorf("the error of the order before stays:\n%s", h.see())
	}
}

// TestOrderScrolls: what a small window has no room for on the page of an order
// can be scrolled to, and the rows are there again as soon as one is chosen.
func TestOrderScrolls(t *testing.T) {
	for _, keys := range [][]string{{"end"}, {"pgdown", "pgdown", "pgdown", "pgdown"}, slices.Repeat([]string{"down"}, 60)} {
		h := open(t, files(t))
		startOrder(h)
		h.release()
		for n := 0; h.stage == asking && n < 10; n++ {
			h.press("enter")
		}
		h.send(metaMsg{gen: h.gen, address: h.order.address, meta: acme.Meta{Terms: strings.Repeat("terms ", 100)}})
		h.send(tea.WindowSizeMsg{Width: 80, Height: 15})
		if h.see(); strings.Contains(h.see(), "TLSA records stay valid") {
			t.Fatal("all of it fits")
		}
		for _, k := range keys {
			h.press(k)
		}
		if !strings.Contains(h.see(), "TLSA records stay valid") {
			t.Errorf("%q: the end is not seen\n%s", keys, h.see())
		}
		for range 60 {
			h.press("up")
		}
		if h.list.cursor != 0 || !strings.Contains(h.see(), signHere) {
			t.Errorf("%q: cursor at %d\n%s", keys, h.list.cursor, h.see())
		}
	}
}

// TestOrdered: a certificate that was just got is due when its CA says, not by
// its life.
func TestOrdered(t *testing.T) {
	f := files(t)
	const path = "/etc/postseal/certs/mx.example.org/ecdsa.pem"
	leaf := lab.NewCA(t).Issue(t, lab.Leaf{})
	h := open(t, f)
	startOrder(h)
	h.release()
	f[path] = leaf.Key + leaf.Cert
	at := lab.Noon.AddDate(0, 0, 5)
	f["/var/lib/postseal/lineages/mx.example.org.json"] = `{"name": "mx.example.org", "names": ["mx.example.org"], "key_types": ["P256"], "issued": {"ecdsa": {"key_type": "P256",
		"fingerprint": "` + plan.Digest(leaf.Leaf.Raw) + `", "at": "` + at.Format(time.RFC3339) + `"}}}`
	later, err := session.Open(context.Background(), lab.Machine(t, "3.7.11", f), session.Settings{ConfigDir: "/etc/postfix"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	h.send(obtained{gen: h.gen, files: []string{path}, session: later})
	for _, c := range h.session.Facts.Certificates {
		if c.Chain == path {
			if due := h.session.Renewal(c); !due.At.Equal(at) {
				t.Errorf("due %s, not %s", due.At, at)
			}
			return
		}
	}
	t.Error("it is not seen")
}

// unproved is a server whose zone may be signed or not, with a record of another
// key, and what is known of an order from a CA that listens.
func unproved(t *testing.T) *host.Fake {
	t.Helper()
	ca := pebble.New(t, pebble.Options{})
	f := files(t)
	f["/etc/resolv.conf"], f["/c/root.pem"] = "nameserver 127.0.0.1\n", ca.RootPEM
	f["/var/lib/postseal/lineages/mx.example.org.json"] = `{"name": "mx.example.org", "server": "` + ca.Directory + `", "ca_file": "/c/root.pem", "names": ["mx.example.org"], "key_types": ["P256"], "challenge": {"kind": "webroot", "webroot": "` + t.TempDir() + `"}}`
	m := lab.Machine(t, "3.7.11", f)
	m.DNS["_25._tcp.mx.example.org TLSA"] = host.Answer{RCode: "NOERROR", Records: []string{certs.NewTLSA(lab.NewCA(t).Issue(t, lab.Leaf{}).Leaf).String()}}
	return m
}

// TestUnprovedDANE: the risk of an order is asked about by its name; only a yes
// accepts it, and then the CA is asked.
func TestUnprovedDANE(t *testing.T) {
	h := sit(t, unproved(t), Options{NoColor: true})
	h.release()
	startOrder(h)
	h.release()
	for n := 0; h.stage == asking && n < 10; n++ {
		h.press("enter")
	}
	for _, no := range []string{"enter", "n", "esc"} {
		h.press("y")
		if s := h.see(); !h.order.risky || !errors.Is(h.order.err, apply.ErrRisk) || !strings.Contains(s, "Accept this risk, unproved-dane") {
			t.Fatalf("%v\n%s", h.order.err, s)
		}
		if h.press(no); h.order.risky || h.stage != overview || len(h.order.accepted) > 0 {
			t.Fatalf("%s: %v\n%s", no, h.order.accepted, h.see())
		}
	}
	h.press("y", "y")
	if err := h.order.err; h.order.risky || err == nil || !strings.Contains(err.Error(), "the CA refuses mx.example.org") {
		t.Errorf("%v\n%s", err, h.see())
	}
}

// TestPlainUnprovedDANE: and so it is line by line.
func TestPlainUnprovedDANE(t *testing.T) {
	for answer, want := range map[string]bool{"": false, "y": true} {
		chosen, asked, prompts := false, false, 0
		var typed *typist
		var p *plain
		p, typed, _ = sitPlain(t, unproved(t), func(key, prompt string) string {
			prompts++
			switch {
			case prompts > 60:
				return "EOF"
			case strings.Contains(prompt, "Accept this risk, unproved-dane"):
				asked = true
				return answer
			case strings.Contains(prompt, "Order it?"):
				return "y"
			case key == certKey && !chosen:
				chosen = true
				words := strings.Fields(prompt[:max(0, strings.LastIndex(prompt, newText))])
				return words[len(words)-1]
			case asked:
				return "q"
			}
			return ""
		})
		p.run()
		if !asked || strings.Contains(typed.all.String(), "the CA refuses mx.example.org") != want {
			t.Errorf("%q:\n%s", answer, typed.all.String())
		}
	}
}

// TestOpensOnDue: a rerun opens on a certificate that should have been renewed,
// and else on the list.
func TestOpensOnDue(t *testing.T) {
	for _, due := range []bool{false, true} {
		f := files(t)
		if due {
			ca := lab.NewCA(t)
			old := ca.Issue(t, lab.Leaf{RSA: true, NotBefore: time.Now().Add(-80 * 24 * time.Hour), NotAfter: time.Now().Add(10 * 24 * time.Hour)})
			f["/c/mx.pem"], f["/c/mx.key"] = old.Cert+ca.IntermediatePEM, old.Key
		}
		var toml strings.Builder
		first := open(t, f)
		for key, texts := range interview.All.Values(first.session.Facts, first.server.answers) {
			toml.WriteString(key + ` = ["` + strings.Join(texts, `", "`) + "\"]\n")
		}
		f["/etc/postseal/postseal.toml"] = toml.String()
		h := open(t, f)
		h.begin()
		if at := h.stage == asking && h.question.Name() == certKey; at != due || !due && h.stage != overview {
			t.Errorf("due %v: stage %d\n%s", due, h.stage, h.see())
		}
		if due && !strings.Contains(h.see(), "should be renewed") {
			t.Error(h.see())
		}
		if h.press("left"); due && h.stage != overview {
			t.Errorf("back leads to stage %d", h.stage)
		}
	}
}

// TestBeside: the certificate under the cursor is judged beside it.
func TestBeside(t *testing.T) {
	f := files(t)
	ca := lab.NewCA(t)
	// The dates are told from the machine's noon: the page must say the same at any hour.
	short := ca.Issue(t, lab.Leaf{Names: []string{"other.example.org"}, NotBefore: lab.Noon.AddDate(0, 0, -29), NotAfter: lab.Noon.AddDate(0, 0, 91).Add(time.Hour)})
	f["/c/mx.pem"], f["/c/mx.key"] = short.Cert, short.Key
	h := open(t, f)
	for h.begin(); h.question.Name() != certKey; {
		h.press("enter")
	}
	page := strings.Join(h.beside(60), "\n")
	for _, want := range []string{"✗ mx.example.org: it does not name it", "missing", "91 of 120 days left", "server ✓", "client no"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing in\n%s", want, page)
		}
	}
}

// TestProviderFields: a provider is found by a part of its name, and asked for
// what it needs, field by field; a secret typed where its file belongs is not
// shown again.
func TestProviderFields(t *testing.T) {
	h := open(t, files(t))
	startOrder(h)
	h.release()
	for n := 0; h.question.Name() != "challenge" && n < 10; n++ {
		h.press("enter")
	}
	for n := 0; h.question.options[h.question.cursor].Text != "dns" && n < 10; n++ {
		h.press("down")
	}
	h.press("enter")
	if h.question.Name() != "dns-provider" || !strings.Contains(h.see(), "/ find") {
		t.Fatal(h.see())
	}
	all := len(h.question.options)
	h.press("/")
	for _, k := range "power" {
		h.press(string(k))
	}
	if n := len(h.question.options); n >= all || n < 2 || !strings.Contains(h.see(), "PowerDNS") || strings.Contains(h.see(), "Cloudflare") {
		t.Fatalf("%d of %d\n%s", n, all, h.see())
	}
	h.press("esc")
	if len(h.question.options) != all {
		t.Errorf("%d of %d are back", len(h.question.options), all)
	}
	h.press("/")
	for _, k := range "powerdns" {
		h.press(string(k))
	}
	h.press("enter", "enter")
	if h.question.Name() != "dns-set" || !strings.Contains(h.see(), "PDNS_API_URL=") || !strings.Contains(h.see(), "enter edit") {
		t.Fatal(h.see())
	}
	h.press("enter")
	for _, k := range "http://127.0.0.1:8081" {
		h.press(string(k))
	}
	h.press("enter")
	if got := h.question.chosen(); len(got) != 1 || got[0] != "PDNS_API_URL=http://127.0.0.1:8081" {
		t.Fatalf("%q\n%s", got, h.see())
	}
	h.press("enter")
	if h.question.Name() != "dns-secret-file" || !strings.Contains(h.see(), "PDNS_API_KEY=") {
		t.Fatal(h.see())
	}
	h.press("enter")
	for _, k := range "hunter2" {
		h.press(string(k))
	}
	h.press("enter", "enter")
	if h.question.Name() != "dns-secret-file" || h.question.err == nil || strings.Contains(h.question.err.Error(), "hunter2") {
		t.Fatalf("%v\n%s", h.question.err, h.see())
	}
}

// TestProfiles: what the CA says of its profiles is what can be chosen, and is
// clean on the screen.
func TestProfiles(t *testing.T) {
	h := open(t, files(t))
	startOrder(h)
	h.release()
	for n := 0; h.stage == asking && n < 10; n++ {
		h.press("enter")
	}
	h.send(metaMsg{h.gen, h.order.address, acme.Meta{Profiles: map[string]string{"shortlived": "six days\x1b[31m"}}, "", nil})
	q, _ := h.order.set.Lookup("acme-profile")
	h.list.editing = true
	h.ask(q)
	if s := h.see(); !strings.Contains(s, "shortlived") || !strings.Contains(s, "six days") || strings.Contains(s, "\x1b[31m") {
		t.Error(s)
	}
	for n := 0; h.question.options[h.question.cursor].Text != "shortlived" && n < 5; n++ {
		h.press("down")
	}
	h.press("enter")
	if got := h.order.answers.Texts("acme-profile"); len(got) != 1 || got[0] != "shortlived" {
		t.Errorf("%q\n%s", got, h.see())
	}
}

// TestSelfSigned: a certificate without a CA is made, answers the question, and
// what it means is a risk by name.
func TestSelfSigned(t *testing.T) {
	h := open(t, files(t))
	h.begin()
	for n := 0; h.question.Name() != certKey && n < 10; n++ {
		h.press("enter")
	}
	h.choose(ownText)
	h.press("enter", "n")
	if h.question.making || len(h.machine.changed) > 0 {
		t.Fatalf("changed %q", h.machine.changed)
	}
	h.press("enter", "y")
	got := h.server.answers.Texts(certKey)
	if len(got) != 1 || !strings.HasSuffix(got[0], "/self-signed.pem") {
		t.Fatalf("%q\n%s", got, h.see())
	}
	p, err := h.session.Preview(h.server.answers)
	if err != nil || !slices.ContainsFunc(p.Risks, func(r plan.Risk) bool { return r.Name == plan.RiskSelfSigned }) {
		t.Errorf("%v %+v", err, p.Risks)
	}
}

// TestSelfSignedShown: one that Postfix shows is looked at on the page of a run,
// which says what came of it before the next question comes.
func TestSelfSignedShown(t *testing.T) {
	f := files(t)
	const path = "/etc/postseal/certs/mx.example.org/self-signed.pem"
	f["main.cf"] = "myhostname = mx.example.org\nsmtpd_tls_security_level = may\nsmtpd_tls_chain_files = " + path + "\n"
	for due, want := range map[bool]string{false: "left unchanged", true: "Checking whether"} {
		made := lab.Noon.AddDate(0, 0, -1)
		if due {
			made = made.AddDate(-9, 0, 0)
		}
		c, err := certs.NewServer(nil, []string{"mx.example.org"}, made)
		if err != nil {
			t.Fatal(err)
		}
		text, err := c.PEM()
		if err != nil {
			t.Fatal(err)
		}
		f[path] = string(text)
		h := open(t, f)
		for h.begin(); h.question.Name() != certKey; {
			h.press("enter")
		}
		h.choose(ownText)
		h.press("enter")
		if !strings.Contains(h.see(), "is restored.") {
			t.Error(h.see())
		}
		h.hold = due
		h.press("y")
		if h.stage != applying || !strings.Contains(h.see(), want) {
			t.Fatalf("due %v: stage %d\n%s", due, h.stage, h.see())
		}
		if due { // nothing can be proved on a machine without Postfix
			h.release()
			if h.stage != asking || h.question.err == nil || len(h.server.answers.Texts(certKey)) > 0 {
				t.Errorf("stage %d, %v\n%s", h.stage, h.question.err, h.see())
			}
			continue
		}
		h.press("enter")
		if got := h.server.answers.Texts(certKey); len(got) != 1 || got[0] != path || len(h.machine.changed) > 0 {
			t.Errorf("%q, changed %q", got, h.machine.changed)
		}
	}
}

// TestPlainSelfSigned: the line-by-line wizard says what it would write, and
// writes it for a yes alone.
func TestPlainSelfSigned(t *testing.T) {
	for answer, want := range map[string]bool{"n": false, "y": true} {
		chosen := false
		var p *plain
		var typed *typist
		var g *guard
		p, typed, g = sitPlain(t, lab.Machine(t, "3.7.11", files(t)), func(key, prompt string) string {
			switch {
			case strings.Contains(prompt, "Make it?"):
				return answer
			case key == certKey && !chosen:
				chosen = true
				n := strings.LastIndex(prompt, ownText)
				words := strings.Fields(prompt[:max(0, n)])
				return words[len(words)-1]
			case chosen:
				return "q"
			}
			return ""
		})
		p.run()
		if !chosen || (len(g.changed) > 0) != want || !strings.Contains(typed.all.String(), "/self-signed.pem") {
			t.Errorf("%s: changed %q\n%s", answer, g.changed, typed.all.String())
		}
	}
}

// TestLimits: an order that the CA would refuse is not made, and the page says
// from when on it may be.
func TestLimits(t *testing.T) {
	f := files(t)
	f["/etc/postseal/cas.json"] = `{"as_of": "2026-11-23", "cas": [{"name": "here", "title": "Here", "directory": "https://127.0.0.1:1/dir", "staging": "https://127.0.0.1:1/staging", "uses": "server", "note": "free", "source": "a test",
		"limits": {"same_names": 1, "days": 7, "failures": 5, "source": "a test"}}]}`
	f["/var/lib/postseal/acme/127.0.0.1_1_dir/attempts.json"] = `[{"when": "` + time.Now().Add(-time.Hour).Format(time.RFC3339) + `", "names": ["mx.example.org"], "signed": true}]`
	h := open(t, f)
	startOrder(h)
	h.release()
	for n := 0; h.stage == asking && n < 10; n++ {
		h.press("enter")
	}
	if s := h.see(); !strings.Contains(s, "it would refuse before") {
		t.Error(s)
	}
}
