package report

import (
	_ "embed" // the schema
	"fmt"
	"strings"
	"time"

	"postseal/internal/domain"
	"postseal/internal/policy"
)

// PolicySchema is the JSON schema of what the verbs of policy print.
//
//go:embed policy.schema.json
var PolicySchema []byte

// Policies prints domains, one after the other: what is in force, and what is proposed.
// inUse reports whether Postfix reads the table.
func (p Printer) Policies(all []policy.View, inUse bool, rule policy.Rule, now time.Time) {
	for _, v := range all {
		p.policy(v, inUse, rule, now)
	}
}

// policy prints one domain.
func (p Printer) policy(v policy.View, inUse bool, rule policy.Rule, now time.Time) {
	head := v.Domain
	if v.Messages > 0 {
		head += " (" + counted(v.Messages, "message", "messages") + ")"
	}
	p.printf("%s\n", p.paint(bold, head))
	switch {
	case v.Own != "":
		p.signedIn(p.good(), "your own entry counts: "+v.Own)
	case v.Entry != nil:
		sign, where := p.good(), "in force"
		if !inUse {
			sign, where = p.note(), "in the table, which Postfix does not read yet"
		}
		text := fmt.Sprintf("%s: %s: %s, since %s", where, entryText(*v.Entry), v.Entry.Reason, day(v.Entry.Since))
		if !v.Entry.Until.IsZero() {
			text += ", until " + day(v.Entry.Until)
		}
		p.signedIn(sign, text)
	default:
		p.signedIn(p.note(), "in force: what main.cf says for all destinations")
	}
	if !v.Failing.IsZero() {
		p.signedIn(p.bad(), "no server has met this level since "+v.Failing.UTC().Format("2006-01-02 15:04")+" UTC: mail may be waiting")
	}
	if v.Order != nil && v.Order.Kind != policy.Hold {
		p.signedIn(p.note(), fmt.Sprintf("%s on %s: %s", map[policy.Kind]string{policy.Pin: "pinned", policy.Except: "exception"}[v.Order.Kind], day(v.Order.Since), v.Order.Reason))
	}
	switch {
	case v.Own != "" || v.Entry != nil && v.Entry.Level == v.Supported.Level:
	case v.Supported.IsNone():
		p.signedIn(p.note(), "no entry is proposed: "+v.Supported.Reason)
	default:
		p.signedIn(p.note(), proposalText(v, rule, now))
	}
	if v.Evidence.Failures > 0 {
		p.signedIn(p.note(), counted(v.Evidence.Failures, "lookup", "lookups")+" failed in a row: "+v.Evidence.Why)
	}
}

// proposalText says what is proposed, and what it waits for.
func proposalText(v policy.View, rule policy.Rule, now time.Time) string {
	text := fmt.Sprintf("proposed: %s: %s; ", entryText(v.Supported), v.Supported.Reason)
	sessions := v.Clean + v.Held
	switch {
	case sessions == 0:
		text += "no session is known that shows whether mail would pass"
	case v.Held == 0:
		text += "it would have held none of " + counted(sessions, "session", "sessions")
	default:
		text += fmt.Sprintf("it would have held %d of %s (%s)", v.Held, counted(sessions, "session", "sessions"), v.Why)
	}
	if v.Since.IsZero() {
		return text
	}
	text += "; first proposed on " + day(v.Since)
	if left := rule.Clean - v.Clean; left > 0 {
		text += ", needs " + counted(left, "more session", "more sessions")
	}
	if ends := v.Since.Add(rule.Span); ends.After(now) {
		text += ", in force on " + day(ends) + " at the earliest"
	}
	return text
}

// entryText is the right-hand side of a line.
func entryText(x policy.Entry) string {
	return strings.Join(append([]string{x.Level}, x.Attributes...), " ")
}

// signedIn is signed, indented below a heading.
func (p Printer) signedIn(sign painted, text string) {
	if p.piped() {
		p.printf("  %s %s\n", sign, text)
		return
	}
	p.indented("  "+sign+" ", 4, text)
}

// PolicyEvidence prints what a domain's level rests on.
func (p Printer) PolicyEvidence(v policy.View, now time.Time) {
	signed := "not signed"
	if v.Evidence.Signed {
		signed = "signed (DNSSEC)"
	}
	for _, s := range v.Servers {
		p.printf("  MX %s, %s\n", s.Name, signed)
		text := "TLSA: " + string(s.DANE)
		switch {
		case s.DANE == domain.Secure:
			text = fmt.Sprintf("TLSA: %s", strings.Join(s.TLSA, "; "))
		case s.Why != "" && s.Unreached == 0:
			text += ": " + s.Why
		}
		p.printf("    %s\n", text)
		switch {
		case len(s.Addresses) == 0:
			p.printf("    no address is known\n")
		case s.Unreached > 0:
			p.printf("    not reached: %s\n", s.Why)
		}
		if n := len(s.Sessions); n > 0 {
			x := s.Sessions[n-1]
			p.printf("    session of %s: %s\n", x.When.UTC().Format("2006-01-02 15:04"), sessionText(x))
		}
		if s.Certificate != nil {
			p.printf("    certificate %s, valid until %s, first seen %s\n", s.Certificate.SHA256[:min(16, len(s.Certificate.SHA256))]+"…", day(s.Certificate.NotAfter), day(s.Certificate.First))
		}
	}
	switch x := v.Evidence.STS; {
	case x == nil && v.Evidence.Last.IsZero():
		p.printf("  MTA-STS: not known\n")
	case x == nil:
		p.printf("  MTA-STS: no policy\n")
	case x.Mode == "":
		p.printf("  MTA-STS: %s\n", x.Problem)
	default:
		text := fmt.Sprintf("mode %s, id %s, mx %s, fetched %s, until %s", x.Mode, x.ID, strings.Join(x.MX, " "), day(x.Fetched), day(x.Expires()))
		if x.Problem != "" {
			text += "; since then: " + x.Problem
		}
		p.printf("  MTA-STS: %s\n", text)
	}
}

// sessionText says how a session went.
func sessionText(x policy.Session) string {
	switch {
	case !x.TLS:
		return "no TLS: " + x.Why
	case x.Matched && x.Valid:
		return "TLS, authenticated by TLSA records and by a CA"
	case x.Matched:
		return "TLS, authenticated by TLSA records"
	case x.Valid:
		return "TLS, with a valid certificate"
	}
	return "TLS, not authenticated: " + x.Why
}

// PolicyChanges prints changes of the policy table.
func (p Printer) PolicyChanges(all []policy.Change) {
	for _, c := range all {
		sign := p.good()
		if c.Weaker {
			sign = p.note()
		}
		of := func(x *policy.Entry) string {
			if x == nil {
				return "no entry"
			}
			return entryText(*x)
		}
		p.signed(sign, "%s: %s -> %s (%s): %s", c.Domain, of(c.Before), of(c.After), c.Code, c.Why)
	}
}
