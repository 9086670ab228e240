// Package audit judges a server by rules, one file for each topic, and grades it: what
// is wrong or could be better, what that does to mail, which source says so, and what
// cures it.
//
// It is a pure function of the evidence: it reads nothing, opens no connection
// and changes nothing.
package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/postfix"
)

// Part is one of the four parts of the card.
type Part string

// The parts.
const (
	Receiving    Part = "receiving"
	Sending      Part = "sending"
	Publishing   Part = "publishing"
	Certificates Part = "certificates"
)

// Parts are all of them, in the order of the card.
var Parts = []Part{Receiving, Sending, Publishing, Certificates}

// Severity is harm times certainty, in points that a finding costs its part.
type Severity int

// The severities.
const (
	Note     Severity = 0  // worth knowing; nothing is lost
	Low      Severity = 3  // a requirement is not met, and mail is hardly affected
	Medium   Severity = 10 // protection is weaker than it could be
	High     Severity = 25 // protection fails for some mail
	Critical Severity = 70 // mail stops, or is not protected at all: an F
)

// String names it.
func (s Severity) String() string {
	return map[Severity]string{Note: "note", Low: "low", Medium: "medium", High: "high", Critical: "critical"}[s]
}

// Rule is one thing that is looked at.
type Rule struct {
	// ID is stable: "PS-RCV-012". Title says what is wrong where it applies.
	ID, Title string
	Part      Part
	Severity  Severity
	// Why says what it does to mail, for a person.
	Why string
	// Level is how strong the requirement is, and Source where it stands.
	Level  Level
	Source string
	// Cure says how to end it.
	Cure Cure
	// Since is the version of postseal that brought the rule.
	Since string
	Check
}

// Level is how strong a requirement is (RFC 2119).
type Level string

// The levels.
const (
	Must   Level = "must"
	Should Level = "should"
	May    Level = "may"
)

// Check is how a rule looks at the evidence.
type Check struct {
	// Applies reports whether there is anything to look at.
	Applies func(*Evidence) bool
	// Find looks for what the rule is about: nothing if all is well.
	Find func(*Evidence) []Hit
}

// Hit is one place where a rule finds something.
type Hit struct {
	// Detail says what was seen; At where it comes from, and may be zero.
	Detail string
	At     postfix.Origin
	// Remedy is the command that ends it, where each place has its own.
	Remedy string

	service string // that it is about: "smtp/inet", or empty
}

// Finding is what a rule found on this server.
type Finding struct {
	Rule
	Hits []Hit
	// Suppressed is why it does not count, or nil.
	Suppressed *Suppression
}

// Card is the report card.
type Card struct {
	// Findings count; Suppressed ones were taken out by hand.
	Findings   []Finding
	Suppressed []Finding
	// Passed are the rules that found nothing where there was something to look
	// at; Idle those that had nothing to look at.
	Passed, Idle []Rule
	Grades       []Grade
	// Notes are about the suppressions: one that has ended, or that meets nothing.
	Notes []string
}

// Grade is that of one part.
type Grade struct {
	Part   Part
	Points int // of 100
	// Letter is A to F, or Unjudged where there was nothing to look at.
	Letter string
	// Lost says what cost the points, the most expensive first.
	Lost []string
	// Basis says what the part was judged by, and Looked whether that was more
	// than files, and all of it could be seen.
	Basis  string
	Looked bool
	// Suppressed is how many findings were taken out by hand.
	Suppressed int
}

// Why says why a part is judged by nothing, or is empty.
func (g Grade) Why() string {
	why, nothing := strings.CutPrefix(g.Basis, byNothing)
	if !nothing {
		return ""
	}
	return why
}

const byNothing = "nothing: "

// Audit applies all rules. What is suppressed costs no points, and is counted.
func Audit(e *Evidence, suppressions ...Suppression) Card {
	var c Card
	met := map[string]bool{}
	for _, r := range Rules {
		if !r.Applies(e) {
			c.Idle = append(c.Idle, r)
			continue
		}
		f := Finding{Rule: r, Hits: r.Find(e)}
		f.Cure = e.placed(e.here(r.Cure), f.Hits)
		switch s := suppressed(r.ID, suppressions, e.Now); {
		case len(f.Hits) == 0:
			c.Passed = append(c.Passed, r)
		case s != nil:
			f.Suppressed, met[r.ID] = s, true
			c.Suppressed = append(c.Suppressed, f)
		default:
			c.Findings = append(c.Findings, f)
		}
	}
	for _, s := range suppressions {
		switch {
		case s.ended(e.Now):
			c.Notes = append(c.Notes, "the suppression of "+s.Rule+" ended on "+s.Until.Format(time.DateOnly))
		case !met[s.Rule]:
			c.Notes = append(c.Notes, "the suppression of "+s.Rule+" no longer applies to anything: remove it")
		}
	}
	worstFirst := func(a, b Finding) int {
		return cmp.Or(int(b.Severity-a.Severity), slices.Index(Parts, a.Part)-slices.Index(Parts, b.Part), strings.Compare(a.ID, b.ID))
	}
	slices.SortStableFunc(c.Findings, worstFirst)
	slices.SortStableFunc(c.Suppressed, worstFirst)
	for _, p := range Parts {
		g := c.grade(p)
		g.Basis, g.Looked = e.basis(p), e.looked(p)
		if e.unjudged(p) {
			g.Letter, g.Points, g.Lost = Unjudged, 0, nil
		}
		c.Grades = append(c.Grades, g)
	}
	return c
}

// Worst is the severity of the worst finding, and whether there is one.
func (c Card) Worst() (Severity, bool) {
	if len(c.Findings) == 0 {
		return Note, false
	}
	return c.Findings[0].Severity, true
}

// grade takes the points of each finding once, however often it was hit.
func (c Card) grade(p Part) Grade {
	g := Grade{Part: p, Points: 100}
	for _, f := range c.Findings {
		if f.Part != p || f.Severity == Note {
			continue
		}
		g.Points -= int(f.Severity)
		g.Lost = append(g.Lost, fmt.Sprintf("%s: %s, -%d", f.ID, f.Title, int(f.Severity)))
	}
	for _, f := range c.Suppressed {
		if f.Part == p {
			g.Suppressed++
		}
	}
	g.Points = max(0, g.Points)
	g.Letter = letter(g.Points)
	return g
}

// idle says why there is nothing of a part on this server, or is empty.
func (e *Evidence) idle(p Part) string {
	switch {
	case p == Receiving && !receives(e):
		return "no other machine connects to it"
	case p == Receiving && e.InFront() != "":
		return "the proxy of " + e.InFront() + " ends TLS in front of Postfix; postseal probe HOST:25 judges it"
	case p == Sending && !sends(e):
		return "no service sends mail to others"
	case p == Certificates && len(e.ShownCertificates()) == 0:
		return "no certificate is set for receiving"
	}
	return ""
}

// unjudged reports whether there is nothing of a part to grade. What is found in files
// all the same is told, and makes no grade of something that does not happen; no
// certificate where TLS is offered is a mistake of its own.
func (e *Evidence) unjudged(p Part) bool {
	return p == Publishing && e.blind() != "" || e.idle(p) != "" && (p != Certificates || len(noCertificate.Find(e)) == 0) ||
		!slices.ContainsFunc(Rules, func(r Rule) bool { return r.Part == p && r.Applies(e) })
}

// basis says what a part is judged by.
func (e *Evidence) basis(p Part) string {
	const configuration = "the configuration"
	switch why := e.idle(p); {
	case p != Publishing && why != "":
		return byNothing + why
	case p == Receiving && len(e.Live) > 0:
		n := 0
		for _, l := range e.Live {
			if l.Seen != nil {
				n += l.Seen.Handshakes
			}
		}
		if n == 0 {
			return configuration + " alone: no handshake came about"
		}
		text := fmt.Sprintf("%s and %d handshakes", configuration, n)
		if slices.ContainsFunc(e.Live, func(l Live) bool { return l.Seen != nil && l.Seen.Incomplete }) {
			text += ", which do not tell all"
		}
		return text
	case p == Receiving:
		return configuration + " alone: " + e.NotLive
	case p == Sending && e.Sent != nil:
		return fmt.Sprintf("%s and %d rehearsed messages", configuration, len(e.Sent.Trials))
	case p == Sending:
		return configuration + " alone: " + e.NotSent
	case p == Publishing && e.blind() != "":
		return byNothing + e.blind()
	case p == Publishing:
		return "DNS"
	case slices.ContainsFunc(e.Live, func(l Live) bool { return l.Seen != nil }):
		return "the files and what is served"
	}
	return "the files"
}

// looked reports whether a part is judged by what was seen beyond files, as a whole:
// a rule that finds nothing without that has had less to look at.
func (e *Evidence) looked(p Part) bool {
	switch p {
	case Sending:
		return e.Sent != nil
	case Publishing:
		return true
	}
	return slices.ContainsFunc(e.Live, Live.whole) && !slices.ContainsFunc(e.Live, func(l Live) bool { return l.Seen != nil && l.Seen.Incomplete })
}

// Unjudged stands in place of a letter.
const Unjudged = "-"

// ForA is the least points for an A.
const ForA = 90

// letters are the least points for each letter.
var letters = []struct {
	points int
	letter string
}{{ForA, "A"}, {75, "B"}, {60, "C"}, {40, "D"}, {0, "F"}}

func letter(points int) string {
	for _, l := range letters {
		if points >= l.points {
			return l.letter
		}
	}
	return "F"
}
