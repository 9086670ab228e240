// Package audit judges a server by rules, one file each, and grades it: what is
// wrong or could be better, what that does to mail, by whose word, and what
// cures it.
//
// It is a pure function of the facts: it reads nothing, opens no connection and
// changes nothing.
package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"postseal/internal/detect"
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
	Low      Severity = 3  // somebody's requirement is not met
	Medium   Severity = 10 // protection is weaker than it could be
	High     Severity = 25 // protection fails for some mail
	Critical Severity = 60 // mail stops, or is not protected at all
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
	// Source is who demands it, with the requirement level where there is one.
	Source string
	// Cure is an answer as a flag, or a command.
	Cure string
	// Since is the version of postseal that brought the rule.
	Since string
	// Find looks for it: nothing if all is well, or if the rule does not apply.
	Find func(*detect.Facts) []Hit
}

// Hit is one place where a rule finds something.
type Hit struct {
	// Detail says what was seen; At where it comes from, and may be zero.
	Detail string
	At     postfix.Origin
}

// Finding is what a rule found on this server.
type Finding struct {
	Rule
	Hits []Hit
}

// Card is the report card.
type Card struct {
	Findings []Finding
	Grades   []Grade
}

// Grade is that of one part.
type Grade struct {
	Part   Part
	Points int // of 100
	Letter string
	// Lost says what cost the points, the most expensive first.
	Lost []string
}

// Audit applies all rules.
func Audit(f *detect.Facts) Card {
	var c Card
	for _, r := range Rules {
		if hits := r.Find(f); len(hits) > 0 {
			c.Findings = append(c.Findings, Finding{r, hits})
		}
	}
	slices.SortStableFunc(c.Findings, func(a, b Finding) int {
		return cmp.Or(int(b.Severity-a.Severity), slices.Index(Parts, a.Part)-slices.Index(Parts, b.Part), strings.Compare(a.ID, b.ID))
	})
	for _, p := range Parts {
		c.Grades = append(c.Grades, c.grade(p))
	}
	return c
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
	g.Points = max(0, g.Points)
	g.Letter = letter(g.Points)
	return g
}

// letters are the least points for each letter.
var letters = []struct {
	points int
	letter string
}{{90, "A"}, {75, "B"}, {60, "C"}, {40, "D"}, {0, "F"}}

func letter(points int) string {
	for _, l := range letters {
		if points >= l.points {
			return l.letter
		}
	}
	return "F"
}

// The rules look at the configuration through these.

// listeners finds something wrong with listeners of some kinds.
func listeners(wrong func(f *detect.Facts, l detect.Listener) string, kinds ...detect.Kind) func(*detect.Facts) []Hit {
	return func(f *detect.Facts) (out []Hit) {
		for _, l := range f.Receives(kinds...) {
			if text := wrong(f, l); text != "" {
				out = append(out, Hit{Detail: l.Service.ID() + " " + text, At: postfix.Origin{File: f.Config.MasterPath(), Line: l.Service.Line}})
			}
		}
		return out
	}
}

// transports finds something wrong with services that send.
func transports(wrong func(f *detect.Facts, t detect.Transport) string) func(*detect.Facts) []Hit {
	return func(f *detect.Facts) (out []Hit) {
		for _, t := range f.Transports {
			if text := wrong(f, t); text != "" {
				out = append(out, Hit{Detail: t.Service.ID() + " " + text, At: postfix.Origin{File: f.Config.MasterPath(), Line: t.Service.Line}})
			}
		}
		return out
	}
}

// served finds something wrong with the certificates that are shown.
func served(wrong func(f *detect.Facts, c detect.Certificate) string) func(*detect.Facts) []Hit {
	return func(f *detect.Facts) (out []Hit) {
		for _, c := range f.ServerCertificates() {
			if text := wrong(f, c); text != "" {
				out = append(out, Hit{Detail: c.Chain + " " + text, At: c.Origin})
			}
		}
		return out
	}
}

// parameter finds something wrong with the value of a parameter in main.cf.
func parameter(name string, wrong func(f *detect.Facts, v postfix.Value) string) func(*detect.Facts) []Hit {
	return func(f *detect.Facts) []Hit {
		v := f.Config.Value(nil, name)
		if text := wrong(f, v); text != "" {
			return []Hit{{Detail: name + " " + text, At: v.Origin}}
		}
		return nil
	}
}

// problems are what detection found, by a word in its text.
func problems(match func(detect.Problem) bool) func(*detect.Facts) []Hit {
	return func(f *detect.Facts) (out []Hit) {
		for _, p := range f.Problems {
			if match(p) {
				out = append(out, Hit{Detail: strings.TrimSpace(p.Parameter + " " + p.Text), At: p.Origin})
			}
		}
		return out
	}
}

// list splits a value at commas, colons and blanks.
func list(value string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(",: \t\r\n", r) })
}

// excludes says whether a listener leaves a class of suites out (postconf(5),
// smtpd_tls_exclude_ciphers).
func excludes(f *detect.Facts, l detect.Listener, class string) bool {
	words := list(f.Config.Text(&l.Service, "smtpd_tls_exclude_ciphers"))
	if l.Level == "encrypt" {
		words = append(words, list(f.Config.Text(&l.Service, "smtpd_tls_mandatory_exclude_ciphers"))...)
	}
	return slices.Contains(words, class)
}

// floor is the oldest version that a listener accepts, or empty.
func floor(f *detect.Facts, l detect.Listener) postfix.Protocol {
	name := "smtpd_tls_protocols"
	if l.Level == "encrypt" {
		name = "smtpd_tls_mandatory_protocols"
	}
	p, err := postfix.ParseFloor(f.Config.Text(&l.Service, name), f.Config.Version)
	if err != nil {
		return ""
	}
	return p
}

// tls says whether a listener does TLS at all.
func tls(l detect.Listener) bool { return l.Level != "none" }

// covers says whether a name in a certificate is good for a host: the same, or
// one label behind a star (RFC 9525, section 6.3).
func covers(have, host string) bool {
	have, host = strings.ToLower(have), strings.ToLower(host)
	if suffix, ok := strings.CutPrefix(have, "*."); ok {
		_, rest, _ := strings.Cut(host, ".")
		return rest == suffix
	}
	return have == host
}

// minor is the second number of "OpenSSL 3.5.9 ...".
func minor(library string) string {
	parts := strings.SplitN(library, ".", 3)
	if len(parts) < 2 {
		return ""
	}
	return parts[1]
}
