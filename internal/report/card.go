package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"postseal/internal/audit"
	"postseal/internal/postfix"
	"postseal/internal/senders"
)

// Card prints the grades and the findings, part by part, the worst first: each
// with what was seen, what it does to mail, by whose word, and what cures it.
// With all, what was not found and what had nothing to look at is listed too.
func (p Printer) Card(c audit.Card, all bool) {
	p.Grades(c)
	for _, part := range audit.Parts {
		p.part(c, part, all)
	}
	for _, f := range c.Suppressed {
		p.signed(p.note(), "%s is suppressed until %s: %s", f.ID, f.Suppressed.Until.Format("2006-01-02"), f.Suppressed.Reason)
	}
	for _, n := range c.Notes {
		p.signed(p.note(), "%s", n)
	}
}

// Grades prints a line for each part.
func (p Printer) Grades(c audit.Card) {
	for _, g := range c.Grades {
		points := fmt.Sprintf(" %3d of 100  ", g.Points)
		if g.Letter == audit.Unjudged {
			points = " not judged  "
			if g.Why() != "" {
				points = " not judged: "
			}
		}
		lead, indent := p.paint(bold, fmt.Sprintf("%-13s %s", g.Part, g.Letter))+painted(points), 28
		if p.width() < 2*indent {
			p.printf("%s\n", lead)
			lead, indent = "              ", 14
		}
		p.indented(lead, indent, graded(g))
		for _, l := range g.Lost {
			p.indented(p.paint(quiet, "              "), 14, l)
		}
	}
}

// graded says what a part was judged by, and what an A needs where it is near.
func graded(g audit.Grade) string {
	text := cmp.Or(g.Why(), "by "+g.Basis)
	if g.Suppressed > 0 {
		text += fmt.Sprintf("; %d suppressed", g.Suppressed)
	}
	if slices.Contains([]string{"B", "C", "D"}, g.Letter) { // an F has worse to tell
		text += fmt.Sprintf("; an A needs %d", audit.ForA)
	}
	return text
}

func (p Printer) part(c audit.Card, part audit.Part, all bool) {
	head := false
	title := func() {
		if !head {
			p.printf("\n%s\n", p.paint(bold, strings.ToUpper(string(part))))
			head = true
		}
	}
	for _, f := range c.Findings {
		if f.Part == part {
			title()
			p.Finding(f)
		}
	}
	if !all {
		return
	}
	// A title says what is wrong: a sign of praise before it would be misread.
	for _, list := range []struct {
		what  string
		rules []audit.Rule
	}{{"checked, and not found:", c.Passed}, {"not applicable:", c.Idle}} {
		rules := slices.DeleteFunc(slices.Clone(list.rules), func(r audit.Rule) bool { return r.Part != part })
		if len(rules) == 0 {
			continue
		}
		title()
		p.printf("  %s\n", p.paint(quiet, list.what))
		for _, r := range rules {
			p.indented(painted("    "+r.ID+"  "), 16, r.Title)
		}
	}
}

// Finding prints one, in its four parts.
func (p Printer) Finding(f audit.Finding) {
	sign, cost := p.note(), f.Severity.String()
	colour := yellow
	if f.Severity >= audit.High {
		sign, colour = p.bad(), red
	}
	if f.Severity > audit.Note {
		cost += fmt.Sprintf(" -%d", int(f.Severity))
	}
	p.status(sign, f.ID+"  "+f.Title, p.paint(colour, cost))
	for i, h := range f.Hits {
		if i == maxHits {
			p.printf("    and %d more\n", len(f.Hits)-i)
			break
		}
		p.indented("    ", 6, HitText(h))
		if h.Remedy != "" {
			fmt.Fprint(p.W, p.paint(quiet, "      → "))
			p.command(0, h.Remedy)
		}
	}
	p.indented("  ", 2, f.Why)
	p.indented(p.paint(quiet, fmt.Sprintf("  %-6s ", f.Level)), 9, f.Source)
	p.indented(p.paint(quiet, "  cure   "), 9, f.Cure.Text)
}

// maxHits is how many places are listed for one finding.
const maxHits = 6

// HitText is one place of a finding, with where it stands.
func HitText(h audit.Hit) string {
	if h.At != (postfix.Origin{}) {
		return h.Detail + " (" + h.At.String() + ")"
	}
	return h.Detail
}

// status prints a line with something at its right end.
func (p Printer) status(sign painted, text string, right painted) {
	width := p.width()
	plain := utf8.RuneCountInString(stripped(right))
	lines := Wrap(oneLine(text), max(20, width-3-plain-1))
	gap := max(1, width-2-utf8.RuneCountInString(lines[0])-plain)
	fmt.Fprintf(p.W, "%s %s%s%s\n", sign, lines[0], strings.Repeat(" ", gap), right)
	for _, l := range lines[1:] {
		fmt.Fprintf(p.W, "  %s\n", l)
	}
}

// stripped is painted text without its colours.
func stripped(s painted) string {
	text := string(s)
	if _, rest, ok := strings.Cut(text, "m"); ok && strings.HasPrefix(text, "\x1b[") {
		text = strings.TrimSuffix(rest, "\x1b[0m")
	}
	return text
}

// Opinions prints what others would say, and why this card says something else.
func (p Printer) Opinions(all []audit.Opinion) {
	if len(all) == 0 {
		return
	}
	p.printf("\n%s\n", p.paint(bold, "HOW OTHER CHECKERS WOULD RATE PORT 25, BY THEIR PUBLISHED RULES"))
	for _, o := range all {
		p.indented(painted(fmt.Sprintf("  %-13s %-23s ", o.Who, o.What)), 40, o.Says)
		if o.Why != "" {
			p.indented(p.paint(quiet, "    here: "), 10, o.Why)
		}
	}
}

// Senders prints what well-known senders would agree on with port 25.
func (p Printer) Senders(all []senders.Outcome) {
	if len(all) == 0 {
		return
	}
	p.printf("\n%s\n", p.paint(bold, "WHAT WELL-KNOWN SENDERS WOULD NEGOTIATE, FROM WHAT THEY OFFER (AS OF "+senders.Date()+")"))
	for _, o := range all {
		p.indented(painted(fmt.Sprintf("  %-31s ", o.Sender)), 34, Met(o))
	}
	p.indented("  ", 2, senders.LeftOut()+".")
}

// Met says what one sender and this server agree on.
func Met(o senders.Outcome) string {
	if o.Fails != "" {
		return "no TLS: " + o.Fails
	}
	text := o.Version + "  " + o.Suite
	switch {
	case o.Group != "":
		text += "  " + o.Group
	case o.DHBits > 0:
		text += fmt.Sprintf("  a prime of %d bits", o.DHBits)
	}
	return text
}

// Compared prints what became better and worse since an older card.
func (p Printer) Compared(d CardDiff) {
	points := func(n *int) string {
		if n == nil {
			return "not judged"
		}
		return fmt.Sprint(*n)
	}
	for _, g := range d.Grades {
		text := points(g.Was) + " -> " + points(g.Now)
		if points(g.Was) == points(g.Now) {
			text = points(g.Now) + ", as before"
		}
		if g.Basis != "" {
			text += "; now by " + g.Basis
		}
		p.indented(painted(fmt.Sprintf("%-13s ", g.Part)), 14, text)
	}
	for _, list := range []struct {
		lines []string
		sign  painted
		what  string
	}{{d.Worse, p.bad(), "new: "}, {d.Better, p.good(), "gone: "}, {d.Suppressed, p.note(), "suppressed: "}, {d.Unseen, p.note(), "not checked this time: "}} {
		for _, l := range list.lines {
			p.signed(list.sign, "%s%s", list.what, l)
		}
	}
	if len(d.Worse)+len(d.Better)+len(d.Suppressed)+len(d.Unseen) == 0 {
		p.printf("the same findings as in the older card\n")
	}
}
