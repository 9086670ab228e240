package posture

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
)

// Route is a way by which mail leaves: a transport, and a next hop of it. At level dane
// it is two where DNSSEC is validated: to servers with TLSA records, and to others.
type Route struct {
	Service mastercf.Service
	Use     detect.Use
	// Hop is the next hop as it is written, Port its port; both are empty for the
	// servers of whatever domain the mail is for.
	Hop, Port string
	// Records is true for the servers with TLSA records, at level dane.
	Records bool
	// Dead is why the service does not run; empty if it does.
	Dead string
	// Level is the TLS level (postconf(5), smtp_tls_security_level), empty if a table
	// decides that cannot be read. Policy is true if an entry of a table gives it.
	Level  Value[string]
	Policy bool
	// Implicit means that TLS begins with the first byte.
	Implicit bool
	// Deferred is why no mail leaves by it; empty if mail can.
	Deferred string
	// Versions are the protocol versions that it offers, oldest first.
	Versions Value[[]postfix.Protocol]
	Suites   Suites
	// Trust are the files and folders of the CAs that are trusted, and whether those of
	// the TLS library are, too.
	Trust []string
	// Match are the names or fingerprints that a certificate is compared with, if the
	// level authenticates: those of main.cf, where no policy has its own.
	Match Value[[]string]
	// Shows are the files of the client certificate.
	Shows []string
}

// ID returns the name of the route: "smtp/unix", or "relay/unix to [mx.example.org]:587".
func (r Route) ID() string {
	out := r.Service.ID()
	if r.Hop != "" {
		out += " to " + r.Hop
	}
	if r.Records {
		out += " (servers with TLSA records)"
	}
	return out
}

// levels are those of a client, from loose to strict. Each one is held against servers
// against which the one before it is not, but for the two of DANE: they ask DNS and no CA.
var levels = []string{"none", "may", "dane", "encrypt", "dane-only", "fingerprint", "verify", "secure"}

// Demands reports whether mail at a level waits rather than go without TLS. At dane that
// is so for servers with TLSA records, and not for others.
func Demands(level string) bool {
	return slices.Index(levels, level) >= slices.Index(levels, "encrypt")
}

// Authenticates reports whether a level checks who the server is.
func Authenticates(level string) bool {
	return slices.Contains([]string{"dane", "dane-only", "fingerprint", "verify", "secure"}, level)
}

// routes are those of one transport.
func (m model) routes(t detect.Transport, s mastercf.Service) (out []Route) {
	hops := t.Hops
	if len(hops) == 0 {
		hops = []detect.Hop{{}}
	}
	for _, h := range hops {
		r := m.route(t, s, h)
		if r.Level.Is != "dane" {
			out = append(out, m.terms(r, r.Level.Is))
			continue
		}
		if m.asksDANE(s) {
			with := r
			with.Records = true
			out = append(out, m.terms(with, "dane"))
		}
		out = append(out, m.terms(r, "may"))
	}
	return out
}

// asksDANE reports whether TLSA records count for a service (dane_init in
// smtp_tls_policy.c). A resolver of which it is not known is taken for one that validates.
func (m model) asksDANE(s mastercf.Service) bool {
	return m.f.Resolver.Validates != detect.No && strings.EqualFold(m.c.Text(&s, "smtp_dns_support_level"), "dnssec")
}

// route is one with its level.
func (m model) route(t detect.Transport, s mastercf.Service, h detect.Hop) Route {
	p := settings{m.c, s}
	r := Route{Service: s, Use: t.Use, Hop: h.Name, Port: h.Port, Dead: dead(s), Implicit: p.yes("smtp_tls_wrappermode")}
	var bad string
	r.Level, bad = clientLevel(p)
	r.Dead = cmp.Or(r.Dead, bad)
	if own := p.text("smtp_tls_policy_maps"); own != "" {
		switch level := m.f.PolicyFor(h.Name); {
		case own != m.c.Text(nil, "smtp_tls_policy_maps"), level == "" && m.f.PoliciesUnread:
			r.Level = Value[string]{Origin: p.value("smtp_tls_policy_maps").Origin}
		case level != "":
			r.Level, r.Policy = Value[string]{level, p.value("smtp_tls_policy_maps").Origin}, true
		}
	}
	return r
}

// terms fills in what holds for a route at a level: "may" for one at dane, if it goes
// to servers without records.
func (m model) terms(r Route, level string) Route {
	p := settings{m.c, r.Service}
	if r.Implicit && (level == "none" || level == "may") {
		r.Deferred = "TLS from the first byte requires level encrypt or a stronger one"
	}
	if level == "dane-only" && !m.asksDANE(r.Service) {
		r.Deferred = "no DNSSEC is asked for, or none is validated"
	}
	if level == "none" || level == "" {
		return r
	}
	must := "mandatory_"
	if level == "may" {
		must = ""
	}
	v := p.value("smtp_tls_" + must + "protocols")
	versions, err := postfix.ParseProtocols(v.Text, m.c.Version)
	if err != nil {
		r.Deferred = cmp.Or(r.Deferred, failing(level, err.Error()))
	}
	versions = lowest(versions)
	if Authenticates(level) {
		versions = m.firm(versions)
	}
	r.Suites = m.suites(p, p.value("smtp_tls_"+must+"ciphers"))
	r.Suites.exclude(p.value("smtp_tls_exclude_ciphers"))
	switch {
	case must == "":
	case Authenticates(level):
		r.Suites.exclude(p.value("smtp_tls_mandatory_exclude_ciphers"))
		r.Suites.Excluded = append(r.Suites.Excluded, "aNULL")
	default:
		r.Suites.exclude(p.value("smtp_tls_mandatory_exclude_ciphers"))
		r.Suites.Excluded = append(r.Suites.Excluded, "eNULL")
	}
	if r.Suites.Bad != "" {
		versions = nil
		r.Deferred = cmp.Or(r.Deferred, failing(level, r.Suites.Bad))
	}
	r.Versions = Value[[]postfix.Protocol]{r.Suites.bear(versions, "RSA", "ECDSA"), v.Origin}
	r.Match = match(p, level)
	if level == "fingerprint" && !r.Policy && len(r.Match.Is) == 0 {
		r.Deferred = cmp.Or(r.Deferred, "there is no fingerprint to compare with")
	}
	for _, name := range []string{"smtp_tls_CAfile", "smtp_tls_CApath"} {
		if v := p.text(name); v != "" {
			r.Trust = append(r.Trust, v)
		}
	}
	if p.yes("tls_append_default_CA") {
		r.Trust = append(r.Trust, "those of the TLS library")
	}
	at := *m.f
	at.Config = m.c
	groups, _ := at.CertificateFiles(&r.Service, "smtp_tls_")
	r.Shows = slices.Compact(slices.Concat(groups...))
	return r
}

// match is what a level compares certificates with, as main.cf has it.
func match(p settings, level string) Value[[]string] {
	parameter, ok := map[string]string{
		"verify": "smtp_tls_verify_cert_match", "secure": "smtp_tls_secure_cert_match", "fingerprint": "smtp_tls_fingerprint_cert_match",
	}[level]
	if !ok {
		return Value[[]string]{}
	}
	v := p.value(parameter)
	words := list(v.Text)
	if level != "fingerprint" { // colons stand in fingerprints
		words = list(strings.ReplaceAll(v.Text, ":", " "))
	}
	return Value[[]string]{words, v.Origin}
}

// failing is why no mail leaves if every handshake fails: at level may it goes without.
func failing(level, why string) string {
	if level == "may" {
		return ""
	}
	return fmt.Sprintf("no handshake comes about: %s", why)
}

// clientLevel is the TLS level of a service that sends, without its tables
// (global_tls_level in smtp_tls_policy.c). Bad is why the service does not run with it.
func clientLevel(p settings) (level Value[string], bad string) {
	v := p.value("smtp_tls_security_level")
	if text := strings.ToLower(v.Text); text != "" {
		if !slices.Contains(levels, text) {
			bad = fmt.Sprintf("smtp_tls_security_level has no level %.60q", v.Text)
		}
		return Value[string]{text, v.Origin}, bad
	}
	level = Value[string]{"none", v.Origin}
	switch enforce, use := p.value("smtp_enforce_tls"), p.value("smtp_use_tls"); {
	case p.yes("smtp_enforce_tls") && p.yes("smtp_tls_enforce_peername"):
		level = Value[string]{"verify", enforce.Origin}
	case p.yes("smtp_enforce_tls"):
		level = Value[string]{"encrypt", enforce.Origin}
	case p.yes("smtp_use_tls"):
		level = Value[string]{"may", use.Origin}
	}
	return level, ""
}

// lowest are the versions that a client offers of those that are on: OpenSSL offers one
// range without a gap, and of several the oldest (ssl_get_min_max_version).
func lowest(on []postfix.Protocol) []postfix.Protocol {
	for !postfix.Gapless(on) {
		on = on[:len(on)-1]
	}
	return on
}
