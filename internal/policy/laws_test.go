package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"postseal/internal/dane"
	"postseal/internal/domain"
	"postseal/internal/policy"
	"postseal/internal/posture"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

const tlsa = "3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// bases are those that evidence has, the weakest first.
var bases = []policy.Basis{policy.NoBasis, policy.BySight, policy.ByLooseDANE, policy.BySTS, policy.ByDANE}

func drawServer(t *rapid.T, name string) policy.Server {
	s := policy.Server{Name: name, DANE: rapid.SampledFrom([]dane.State{dane.Secure, dane.None, dane.Insecure, dane.Unknown}).Draw(t, "dane")}
	if s.DANE == dane.Secure {
		s.TLSA = []string{rapid.SampledFrom([]string{tlsa, "1 1 1 00"}).Draw(t, "tlsa")}
	}
	at := noon.Add(-time.Duration(rapid.IntRange(0, 400).Draw(t, "first")) * time.Hour)
	for range rapid.IntRange(0, 4).Draw(t, "sessions") {
		x := policy.Session{From: at, When: at, Count: rapid.IntRange(1, 3).Draw(t, "count"), TLS: rapid.Bool().Draw(t, "tls")}
		x.Valid = x.TLS && rapid.Bool().Draw(t, "valid")
		x.Matched = x.TLS && s.DANE == dane.Secure && rapid.Bool().Draw(t, "matched")
		s.Sessions = append(s.Sessions, x)
		at = at.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "step")) * time.Hour)
	}
	s.Sessions = slices.DeleteFunc(s.Sessions, func(x policy.Session) bool { return x.When.After(noon) })
	return s
}

func drawEvidence(t *rapid.T) policy.Evidence {
	e := policy.Evidence{Domain: policy.Domain{Name: "a.test", Signed: rapid.Bool().Draw(t, "signed"), Silent: rapid.IntRange(0, 9).Draw(t, "silent") == 0}}
	if rapid.Bool().Draw(t, "sts") {
		e.Domain.STS = &policy.STS{
			ID: "1", Mode: rapid.SampledFrom([]string{domain.Enforce, domain.Testing, domain.Off, ""}).Draw(t, "mode"), MaxAge: rapid.SampledFrom([]int{0, 3600, 86400 * 30}).Draw(t, "max age"),
			MX: rapid.SampledFrom([][]string{{"*.a.test"}, {"mx0.a.test"}, {"192.0.2.1"}, {}}).Draw(t, "mx"), Fetched: noon.Add(-2 * time.Hour),
		}
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "servers") {
		e.Servers = append(e.Servers, drawServer(t, fmt.Sprintf("mx%d.a.test", i)))
	}
	return e
}

func drawSetting(t *rapid.T) policy.Setting {
	return policy.Setting{
		Default: rapid.SampledFrom([]string{"none", "may", "may", "dane", "encrypt", "verify"}).Draw(t, "default"),
		NoDANE:  rapid.SampledFrom([]string{"", "", "no resolver"}).Draw(t, "no dane"), NoCAs: rapid.SampledFrom([]string{"", "", "no CAs"}).Draw(t, "no cas"),
		Rule: policy.Rule{Clean: rapid.IntRange(0, 3).Draw(t, "clean"), Span: time.Duration(rapid.IntRange(0, 100).Draw(t, "span")) * time.Hour, Patience: 24 * time.Hour},
	}
}

// drawEntry draws an entry as an earlier run would have made it.
func drawEntry(t *rapid.T) policy.Entry {
	x := rapid.SampledFrom([]policy.Entry{
		{}, {Level: "dane-only", Basis: policy.ByDANE}, {Level: "dane", Basis: policy.ByDANE}, {Level: "dane", Basis: policy.ByLooseDANE},
		{Level: "secure", Attributes: []string{"match=.a.test", "servername=hostname"}, Basis: policy.BySTS},
		{Level: "verify", Attributes: []string{"servername=hostname"}, Basis: policy.BySight}, {Level: "encrypt", Basis: policy.BySight},
	}).Draw(t, "entry")
	x.Since = noon.Add(-1000 * time.Hour)
	return x
}

func effective(s policy.Setting, x policy.Entry) string {
	if x.IsNone() {
		return s.Default
	}
	return x.Level
}

// TestNeverWeakerWithoutAReason: whatever is known, a weaker level has a named reason that
// stands in the change; a lookup that fails is none.
func TestNeverWeakerWithoutAReason(t *testing.T) {
	weakening := []policy.Code{
		policy.DANEFirst, policy.TLSAWithdrawn, policy.MXUnsigned, policy.STSUpdated, policy.STSWithdrawn, policy.STSExpired,
		policy.NoDANEHere, policy.NoCAsHere, policy.Stranding, policy.NoMail,
	}
	rapid.Check(t, func(t *rapid.T) {
		e, s, current := drawEvidence(t), drawSetting(t), drawEntry(t)
		d := policy.Decide(e, current, nil, nil, s, noon)
		weaker := posture.Compare(effective(s, d.Entry), effective(s, current)) < 0
		switch {
		case weaker && (d.Change == nil || !d.Change.Weaker || d.Change.Why == "" || !slices.Contains(weakening, d.Change.Code)):
			t.Fatalf("%+v became %+v: %+v", current, d.Entry, d.Change)
		case d.Change == nil && (d.Entry.Level != current.Level || strings.Join(d.Entry.Attributes, " ") != strings.Join(current.Attributes, " ")):
			t.Fatalf("%+v became %+v without a change", current, d.Entry)
		case !d.Entry.IsNone() && posture.Compare(d.Entry.Level, s.Default) <= 0:
			t.Fatalf("a line %+v below main.cf's %s", d.Entry, s.Default)
		}
		again := policy.Decide(e, d.Entry, d.Proposal, nil, s, noon)
		if again.Change != nil && again.Change.Weaker {
			t.Fatalf("it does not rest: %+v, then %+v", d.Entry, again.Change)
		}
	})
}

// TestOneServerFails: where one server meets the level that is in force, whatever happens
// to another one does not weaken it, but for records that DNSSEC proves to be gone.
func TestOneServerFails(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := policy.Setting{Default: "may", Rule: policy.Rule{Clean: 1, Span: time.Hour, Patience: 24 * time.Hour}}
		fine := policy.Server{Name: "mx0.a.test", DANE: dane.Secure, TLSA: []string{tlsa}, Sessions: []policy.Session{{From: noon.Add(-time.Hour), When: noon.Add(-time.Hour), Count: 1, TLS: true, Valid: true, Matched: true}}}
		bad := drawServer(t, "mx1.a.test")
		if bad.DANE != dane.Secure {
			bad.DANE, bad.TLSA = dane.Unknown, nil // its lookups fail
		} else {
			bad.TLSA = []string{tlsa}
		}
		e := policy.Evidence{Domain: policy.Domain{Name: "a.test", Signed: true, STS: &policy.STS{ID: "1", Mode: domain.Enforce, MX: []string{"*.a.test"}, MaxAge: 86400, Fetched: noon.Add(-time.Hour)}}, Servers: []policy.Server{fine, bad}}
		current := drawEntry(t)
		if current.Basis == policy.ByLooseDANE {
			e.Domain.Signed = false
		}
		if d := policy.Decide(e, current, nil, nil, s, noon); d.Change != nil && d.Change.Weaker {
			t.Fatalf("%+v: %+v", current, d.Change)
		}
	})
}

// TestMonotone: more evidence never supports less. DANE takes the place of MTA-STS
// whatever its level (RFC 8461, section 2), so that the basis counts first.
func TestMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, s := drawEvidence(t), drawSetting(t)
		e.Domain.Silent = false
		s.Default = "none"
		more := e
		more.Servers = slices.Clone(e.Servers)
		switch i := rapid.IntRange(0, max(0, len(e.Servers)-1)).Draw(t, "which"); rapid.SampledFrom([]string{"signed", "sts", "tlsa", "session"}).Draw(t, "what") {
		case "signed":
			more.Domain.Signed = true
		case "sts":
			more.Domain.STS = &policy.STS{ID: "2", Mode: domain.Enforce, MX: []string{"*.a.test"}, MaxAge: 86400, Fetched: noon}
		case "tlsa":
			if len(e.Servers) > 0 {
				more.Servers[i].DANE, more.Servers[i].TLSA = dane.Secure, []string{tlsa}
			}
		case "session":
			if len(e.Servers) > 0 {
				more.Servers[i].Sessions = append(slices.Clone(e.Servers[i].Sessions), policy.Session{From: noon, When: noon, Count: 1, TLS: true, Valid: true, Matched: e.Servers[i].DANE == dane.Secure})
			}
		}
		before, after := policy.Supported(e, s, noon), policy.Supported(more, s, noon)
		rank := slices.Index(bases, after.Basis) - slices.Index(bases, before.Basis)
		if rank < 0 || rank == 0 && posture.Compare(effective(s, after), effective(s, before)) < 0 {
			t.Fatalf("%+v, and with more %+v", before, after)
		}
	})
}

// TestShadow: a proposal enforces nothing before enough sessions have met it, for long
// enough.
func TestShadow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, s := drawEvidence(t), drawSetting(t)
		d := policy.Decide(e, policy.Entry{}, nil, nil, s, noon)
		if s.Rule.Clean > 0 && !d.Entry.IsNone() && !slices.ContainsFunc(e.Servers, func(x policy.Server) bool {
			return slices.ContainsFunc(x.Sessions, func(one policy.Session) bool { return !one.When.Before(noon) })
		}) {
			t.Fatalf("in force at once: %+v", d.Entry)
		}
		if s.Rule.Span > 0 && !d.Entry.IsNone() {
			t.Fatalf("in force without waiting: %+v", d.Entry)
		}
	})
}
