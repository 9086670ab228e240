package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/dane"
	"postseal/internal/domain"
	"postseal/internal/posture"
)

// Basis is what a level rests on. DANE comes before MTA-STS (RFC 8461, section 2), and
// what was promised before what was only seen.
type Basis string

// The bases.
const (
	ByDANE Basis = "dane"    // TLSA records, authenticated by DNSSEC
	BySTS  Basis = "mta-sts" // an MTA-STS policy, fetched by HTTPS
	// ByLooseDANE are TLSA records of servers that MX records without a signature name.
	ByLooseDANE Basis = "dane-unsigned-mx"
	BySight     Basis = "seen"  // sessions that nobody promised
	ByOrder     Basis = "order" // the administrator
	NoBasis     Basis = ""      // nothing: no entry
)

// rank orders the bases that evidence has.
func (b Basis) rank() int {
	return slices.Index([]Basis{NoBasis, BySight, ByLooseDANE, BySTS, ByDANE, ByOrder}, b)
}

// Entry is a line of the map, with its reason.
type Entry struct {
	Domain     string   `json:"domain"`
	Level      string   `json:"level"`
	Attributes []string `json:"attributes,omitempty"`
	Basis      Basis    `json:"basis"`
	Reason     string   `json:"reason"`
	// Since is when the entry came into force, Until when what it rests on expires; zero
	// if it has no end of its own.
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"`
}

// IsNone reports whether there is no entry: what main.cf says for all holds.
func (e Entry) IsNone() bool { return e.Level == "" }

// same reports whether two entries are the same line.
func (e Entry) same(o Entry) bool {
	return e.Level == o.Level && slices.Equal(e.Attributes, o.Attributes)
}

// Setting is what this server can enforce, and what it does without an entry.
type Setting struct {
	// Default is the level of main.cf.
	Default string
	// NoDANE and NoCAs are why Postfix cannot use DANE or verify certificates here; empty
	// if it can.
	NoDANE, NoCAs string
	// NoLooseDANE is why Postfix does not authenticate by TLSA records where the MX records
	// are not signed; empty if it does.
	NoLooseDANE string
	Rule        Rule
}

// Rule is how fast levels change.
type Rule struct {
	// Clean is how many sessions must have met a proposed level, and Span for how long
	// it must have been proposed.
	Clean int           `json:"clean"`
	Span  time.Duration `json:"span_ns"`
	// Patience is for how long no server may have met a level that was only seen before
	// it is given up.
	Patience time.Duration `json:"patience_ns"`
	// Changes bounds how many entries one run changes; those that free held mail come
	// first.
	Changes int `json:"changes"`
}

// Usual is the rule without other wishes.
var Usual = Rule{Clean: 3, Span: 3 * 24 * time.Hour, Patience: 24 * time.Hour, Changes: 100}

// recent is how far back sessions count for a level that was only seen.
const recent = 14 * 24 * time.Hour

// Supported returns the strongest entry that evidence supports: a pure function. It has
// no level if what main.cf says is as strong, and then Reason says what is missing.
func Supported(e Evidence, s Setting, now time.Time) Entry {
	out := Entry{Domain: e.Domain.Name}
	if len(e.Servers) == 0 || e.Domain.Silent {
		switch {
		case e.Domain.Silent:
			out.Reason = "the domain accepts no mail (RFC 7505)"
		case e.Domain.Last.IsZero():
			out.Reason = "its mail servers are not known"
		default:
			out.Reason = "the domain does not exist, or its MX records name no host"
		}
		return out
	}
	for _, try := range []func(Evidence, Setting, time.Time) Entry{byDANE, bySTS, byLooseDANE, bySight} {
		if x := try(e, s, now); !x.IsNone() {
			x.Domain = e.Domain.Name
			if posture.Compare(x.Level, s.Default) <= 0 {
				out.Reason = fmt.Sprintf("main.cf has level %s for all destinations, which is as strict as %s", s.Default, x.Level)
				return out
			}
			return x
		}
	}
	out.Reason = cmp.Or(missing(e, s, now), "neither TLSA records nor an MTA-STS policy, and no sessions that were always protected")
	return out
}

// byDANE is the entry for a domain whose MX records and servers are signed.
func byDANE(e Evidence, s Setting, _ time.Time) Entry {
	if s.NoDANE != "" || !e.Domain.Signed {
		return Entry{}
	}
	with, without := daneCount(e)
	switch {
	case with == 0:
		return Entry{}
	case without == 0:
		return Entry{Level: "dane-only", Basis: ByDANE, Reason: fmt.Sprintf("every server has usable TLSA records, authenticated by DNSSEC (%d of %d)", with, with)}
	}
	return Entry{Level: "dane", Basis: ByDANE, Reason: fmt.Sprintf("%d of %d servers have usable TLSA records, authenticated by DNSSEC", with, with+without)}
}

// byLooseDANE is the entry for servers with TLSA records that are reached by MX records
// that are not signed: an attacker can forge those, so that MTA-STS is worth more.
func byLooseDANE(e Evidence, s Setting, _ time.Time) Entry {
	if with, _ := daneCount(e); s.NoDANE == "" && !e.Domain.Signed && with > 0 && s.NoLooseDANE == "" {
		return Entry{Level: "dane", Basis: ByLooseDANE, Reason: "servers have usable TLSA records, but the MX records are not signed"}
	}
	return Entry{}
}

// daneCount counts the servers with usable TLSA records, and those known to have none.
// A server of which nothing is known counts for neither.
func daneCount(e Evidence) (with, without int) {
	for _, x := range e.Servers {
		switch {
		case x.usable():
			with++
		case x.DANE == dane.Secure || x.DANE == dane.None || x.DANE == dane.Insecure:
			without++
		}
	}
	return with, without
}

// bySTS is the entry for an MTA-STS policy in mode enforce.
func bySTS(e Evidence, s Setting, now time.Time) Entry {
	p := e.Domain.STS
	if s.NoCAs != "" || !p.enforced(now) {
		return Entry{}
	}
	match := patterns(p.MX)
	if len(match) == 0 {
		return Entry{}
	}
	return Entry{
		Level: "secure", Attributes: []string{"match=" + strings.Join(match, ":"), "servername=hostname"}, Basis: BySTS,
		Reason: "its MTA-STS policy has mode enforce, id " + p.ID, Until: p.Expires(),
	}
}

// patterns returns what match= takes of the names in an MTA-STS policy: ".example.com"
// for "*.example.com". What no certificate can name, such as an address, is left out.
func patterns(mx []string) (out []string) {
	for _, name := range mx {
		rest, wild := strings.CutPrefix(strings.ToLower(name), "*.")
		if !hostname(rest) || !strings.Contains(rest, ".") {
			continue
		}
		if wild {
			rest = "." + rest
		}
		if !slices.Contains(out, rest) {
			out = append(out, rest)
		}
	}
	slices.Sort(out)
	return out
}

// bySight is the entry for a domain that promises nothing, and whose servers were seen
// with TLS in every recent session.
func bySight(e Evidence, s Setting, now time.Time) Entry {
	seen, tls, valid := 0, 0, 0
	for _, x := range e.Servers {
		for _, one := range x.Sessions {
			if now.Sub(one.When) >= recent {
				continue
			}
			seen += one.Count
			if one.TLS {
				tls += one.Count
			}
			if one.Valid {
				valid += one.Count
			}
		}
	}
	switch {
	case seen == 0 || tls < seen:
		return Entry{}
	case valid == seen && s.NoCAs == "":
		return Entry{Level: "verify", Attributes: []string{"servername=hostname"}, Basis: BySight, Reason: allOf(seen) + " had a certificate that is valid for the name of the server"}
	}
	return Entry{Level: "encrypt", Basis: BySight, Reason: allOf(seen) + " had TLS"}
}

// allOf begins a sentence about all recent sessions.
func allOf(n int) string {
	if n == 1 {
		return "the only recent session"
	}
	return fmt.Sprintf("all %d recent sessions", n)
}

// missing says what keeps a domain from a stronger level.
func missing(e Evidence, s Setting, now time.Time) string {
	with, _ := daneCount(e)
	p := e.Domain.STS
	switch {
	case with > 0 && s.NoDANE != "":
		return "it has TLSA records, but " + s.NoDANE
	case with > 0 && !e.Domain.Signed && s.NoLooseDANE != "":
		return "its servers have TLSA records, but its MX records are not signed, and " + s.NoLooseDANE
	case p.enforced(now) && s.NoCAs != "":
		return "it has an MTA-STS policy, but " + s.NoCAs
	case p.enforced(now):
		return "its MTA-STS policy names no host that a certificate can have"
	case p != nil && p.Mode == domain.Testing:
		return "its MTA-STS policy is in mode testing"
	case p != nil && p.Problem != "":
		return "MTA-STS: " + p.Problem
	}
	return ""
}

// record is how a level fared in the sessions with the servers of a domain.
type record struct {
	// clean and held count the sessions that met the level and those that did not, and
	// missed those that did not since one last did.
	clean, held, missed int
	// last is when a session last met the level, and failing since when none has.
	last, failing time.Time
	// works reports whether the latest session with some server met it.
	works bool
	// why says what was wrong with one that did not.
	why string
}

// fared returns how an entry would have fared since a time.
func fared(e Evidence, x Entry, since time.Time) (r record) {
	good := func(s Server, one Session) bool {
		return one.good(x.Level) || x.Level == "dane" && s.DANE != dane.Secure // which is held to nothing
	}
	each := func(do func(s Server, one Session, latest bool)) {
		for _, s := range e.Servers {
			if x.Basis == BySTS && !e.Domain.STS.names(s.Name) {
				continue // mail does not go there
			}
			for i, one := range s.Sessions {
				if !one.When.Before(since) {
					do(s, one, i == len(s.Sessions)-1)
				}
			}
		}
	}
	each(func(s Server, one Session, latest bool) {
		if !good(s, one) {
			r.held, r.why = r.held+one.Count, one.Why
			return
		}
		r.clean += one.Count
		r.works = r.works || latest
		if one.When.After(r.last) {
			r.last = one.When
		}
	})
	each(func(s Server, one Session, _ bool) {
		if !good(s, one) && one.When.After(r.last) {
			r.missed += one.Count
			if r.failing.IsZero() || one.From.Before(r.failing) {
				r.failing = one.From
			}
		}
	})
	return r
}
