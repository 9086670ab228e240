package wizard

import (
	"fmt"
	"strings"
	"time"

	"postseal/certs"
	"postseal/internal/interview"
	"postseal/internal/session"
)

// judge judges the certificates that can be chosen, so that drawing need not.
func (m *Model) judge() {
	q, f := &m.question, m.session.Facts
	want := certs.Want{Names: f.NeededNames(), Roots: f.Roots(), Now: f.Now, TLSA: f.TLSA}
	q.judged = map[string][]certs.Inspection{}
	for _, o := range q.options {
		if !answers(o) {
			continue
		}
		if found, err := f.JudgeSeen(o.Text, want); err == nil {
			q.judged[o.Text] = found
		}
	}
}

// certificateLines are what there is to say of the certificate under the
// cursor: what it names, who signed it, how long it lasts, and what it is good
// for.
func (m *Model) certificateLines(width int) (out []string) {
	q, t := &m.question, m.theme
	if q.typing || q.cursor >= len(q.options) {
		return nil
	}
	say := func(sign, text string) { out = append(out, hang(sign+" ", wrap(text, width-2))...) }
	for _, due := range m.session.Due() {
		say(t.sign(signNote), due)
	}
	if len(out) > 0 {
		out = append(out, "")
	}
	for _, i := range q.judged[q.options[q.cursor].Text] {
		out = append(out, t.quiet.Render("the certificate"), t.quiet.Render(strings.Repeat("─", max(0, width))))
		for _, n := range m.session.Facts.Needed {
			if i.Covers(n.Name) {
				say(t.sign(signGood), n.Name)
			} else {
				say(t.sign(signBad), n.Name+": it does not name it")
			}
		}
		out = append(out, m.chainLines(i, width)...)
		left, whole := i.NotAfter.Sub(m.session.Facts.Now), i.NotAfter.Sub(i.NotBefore)
		if whole > 0 {
			const cells = 12
			n := max(0, min(cells, int(left*cells/whole)))
			out = append(out, strings.Repeat("#", n)+t.quiet.Render(strings.Repeat("-", cells-n))+fmt.Sprintf(" %d of %d days left", int(left.Hours()/24), int(whole.Hours()/24)))
		}
		use := func(good bool, name string) string {
			if good {
				return name + " " + t.good.Render(signGood)
			}
			return name + " " + t.quiet.Render("no")
		}
		out = append(out, m.renewalLines(q.options[q.cursor].Text, i, width)...)
		out = append(out, "good for  "+use(i.ServerUse, "server")+"   "+use(i.ClientUse, "client"))
		if evidence, refused := interview.ClientEvidence(m.session.Facts); !i.ClientUse && !refused && m.session.Facts.Wanted.Sent > 0 && len(m.session.Facts.ClientCertificates()) == 0 {
			out = append(out, styled(t.quiet, wrap("client use is not needed: "+evidence, width))...)
		}
		for _, f := range i.Findings {
			switch {
			case f.Topic == "names" || f.Topic == "client use": // drawn above
			case f.Level == certs.Bad:
				say(t.sign(signBad), f.Text)
			case f.Level == certs.Note && noted[f.Topic]:
				say(t.sign(signNote), f.Text)
			}
		}
	}
	return out
}

// renewalLines say when a certificate is due, and who renews it.
func (m *Model) renewalLines(path string, i certs.Inspection, width int) []string {
	for _, c := range m.session.Facts.Certificates {
		if c.Chain != path || c.Fingerprint != i.Fingerprint {
			continue
		}
		return styled(m.theme.quiet, wrap("due "+renewal(m.session.Renewal(c)), width))
	}
	return nil
}

// renewal says when something is due, and who does it: a client, or a person.
func renewal(r session.Renewal) string {
	who := "hand"
	if r.By != "" {
		who = r.By
	}
	return r.At.UTC().Format(time.DateOnly) + ", by " + who
}

// noted are the topics whose notes are shown beside the question.
var noted = map[string]bool{"life": true, "chain": true, "order": true, "TLSA": true}

// chainLines draw a chain, leaf first, each under the one that it is signed by.
func (m *Model) chainLines(i certs.Inspection, width int) (out []string) {
	t := m.theme
	add := func(depth int, text string) {
		lead := ""
		if depth > 0 {
			lead = strings.Repeat("  ", depth-1) + "└ "
		}
		out = append(out, hang(lead, wrap(text, width-2*depth))...)
	}
	for depth, l := range i.Links {
		add(depth, l.Subject+" "+signLater+" "+l.Key)
	}
	switch top := i.Links[len(i.Links)-1]; {
	case top.SelfSigned:
	case i.Complete:
		add(len(i.Links), top.Issuer)
	default:
		out = append(out, hang(strings.Repeat("  ", len(i.Links)-1)+"└ "+t.sign(signBad)+" ", wrap(top.Issuer+": missing", width-2*len(i.Links)-2))...)
	}
	return out
}
