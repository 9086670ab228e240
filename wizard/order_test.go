package wizard

import (
	"errors"
	"strings"
	"testing"
	"time"

	"postseal/internal/interview"
	"postseal/internal/lab"
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
	h.press("y") // nobody answers for this CA
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
		if due && !strings.Contains(h.see(), "renewal is due") {
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
