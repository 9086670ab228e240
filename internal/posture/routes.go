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
	// From is the parameter that names the next hop.
	From string
	// Records is true for the servers with TLSA records, at level dane.
	Records bool
	// Dead is why the service does not run; empty if it does.
	Dead string
	// Level is the TLS level (postconf(5), smtp_tls_security_level), empty if a table
	// decides that cannot be read. Policy is the entry of a table that gives it, or nil.
	Level  Value[string]
	Policy *detect.Policy
	// Implicit means that TLS begins with the first byte.
	Implicit bool
	// Deferred is why no mail leaves by it; empty if mail can.
	Deferred string
	// Versions are the protocol versions that it offers, oldest first; Permitted are
	// those that are switched on, whether a suite is left for them or not.
	Versions  Value[[]postfix.Protocol]
	Permitted []postfix.Protocol
	Suites    Suites
	// Trust are the files and folders of the CAs that are trusted, and whether those of
	// the TLS library are, too.
	Trust []string
	// Match are the names or fingerprints that a certificate is compared with, at the
	// levels verify, secure and fingerprint.
	Match Value[[]string]
	// Shows are the files of the client certificate, and Presents what they hold: the
	// SHA-256 of the leaf by its algorithm, or nil if that is not known.
	Shows    []string
	Presents map[string]string
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

// Floor returns the oldest version that it offers, or "".
func (r Route) Floor() postfix.Protocol {
	if len(r.Versions.Is) == 0 {
		return ""
	}
	return r.Versions.Is[0]
}

// Local reports whether the next hop is on this machine.
func (r Route) Local() bool { return detect.Hop{Name: r.Hop}.Local() }

// levels are those of a client, from loose to strict. Each one is held against servers
// against which the one before it is not, but for the two of DANE: they ask DNS and no CA.
var levels = []string{"none", "may", "dane", "encrypt", "dane-only", "fingerprint", "verify", "secure"}

// Compare returns a negative number if level a is looser than b, and a positive one if it
// is stricter.
func Compare(a, b string) int { return slices.Index(levels, a) - slices.Index(levels, b) }

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
	return m.f.Resolver.Validates != detect.No && strings.EqualFold(m.c.Text(&s, detect.Own(s, "smtp_dns_support_level")), "dnssec")
}

// route returns a route with its level.
func (m model) route(t detect.Transport, s mastercf.Service, h detect.Hop) Route {
	p := settings{m.c, s}
	r := Route{Service: s, Use: t.Use, Hop: h.Name, Port: h.Port, From: h.From, Dead: dead(s), Implicit: p.yes("smtp_tls_wrappermode")}
	var bad string
	r.Level, bad = clientLevel(p)
	r.Dead = cmp.Or(r.Dead, bad)
	if own := detect.PolicyTables(m.c, &s); own.Text != "" {
		switch entry := m.f.PolicyFor(h.Name); {
		case h.Name == "" && entry == nil: // an entry is for some destinations, and this is about all
		case own.Text != detect.PolicyTables(m.c, nil).Text, entry == nil && len(m.f.UnreadPolicies) > 0:
			r.Level = Value[string]{Origin: own.Origin}
		case entry != nil:
			r.Level, r.Policy = Value[string]{entry.Level, entry.At}, entry
			if entry.Fault != "" && !entry.InClear {
				r.Deferred = "the policy table entry is invalid: " + entry.Fault
			}
		}
	}
	if strings.HasPrefix(h.Name, "unix:") && r.Level.Is == "may" {
		r.Level.Is = "none" // smtp_connect_local: TLS that is not a must is of no use there
	}
	return r
}

// terms fills in what holds for a route at a level: "may" for one at dane, if it goes
// to servers without records.
func (m model) terms(r Route, level string) Route {
	p := settings{m.c, r.Service}
	if r.Implicit && (level == "none" || level == "may") {
		r.Deferred = "implicit TLS requires level encrypt or a stronger one"
	}
	if level == "dane-only" && !m.asksDANE(r.Service) {
		r.Deferred = "DNSSEC is not requested or not validated"
	}
	if level == "none" || level == "" {
		return r
	}
	must := "mandatory_"
	if level == "may" {
		must = ""
	}
	entry := cmp.Or(r.Policy, &detect.Policy{At: r.Level.Origin})
	own := func(attribute *string, parameter string) postfix.Value {
		if attribute != nil {
			return postfix.Value{Text: *attribute, Origin: entry.At}
		}
		return p.value(parameter)
	}
	v := own(entry.Protocols, "smtp_tls_"+must+"protocols")
	versions, err := postfix.ParseProtocols(v.Text, m.c.Version)
	if err != nil {
		r.Deferred = cmp.Or(r.Deferred, failing(level, err.Error()))
	}
	versions = lowest(versions)
	if Authenticates(level) {
		versions = m.firm(versions)
	}
	r.Permitted = versions
	r.Suites = m.suites(p, own(entry.Ciphers, "smtp_tls_"+must+"ciphers"), Authenticates(level))
	if r.Suites.exclude(own(entry.Exclude, "smtp_tls_exclude_ciphers")); must != "" {
		if entry.Exclude == nil {
			r.Suites.exclude(p.value("smtp_tls_mandatory_exclude_ciphers"))
		}
		r.Suites.Excluded = append(r.Suites.Excluded, map[bool]string{true: "aNULL", false: "eNULL"}[Authenticates(level)])
	}
	if r.Suites.Bad != "" {
		versions = nil
		r.Deferred = cmp.Or(r.Deferred, failing(level, r.Suites.Bad))
	}
	r.Versions = Value[[]postfix.Protocol]{r.Suites.bear(versions, "RSA", "ECDSA"), v.Origin}
	if len(r.Versions.Is) == 0 {
		r.Deferred = cmp.Or(r.Deferred, failing(level, "no TLS version is left that has a cipher suite"))
	}
	r.Match = match(p, level)
	if len(entry.Match) > 0 {
		r.Match = Value[[]string]{entry.Match, entry.At}
	}
	if level == "fingerprint" && len(r.Match.Is) == 0 {
		r.Deferred = cmp.Or(r.Deferred, "no fingerprint is configured")
	}
	r.Trust = trust(p, entry)
	at := *m.f
	at.Config = m.c
	groups, _ := at.CertificateFiles(&r.Service, detect.Own(r.Service, "smtp_tls_"))
	r.Shows = slices.Compact(slices.Concat(groups...))
	r.Presents = leaves(m.f, groups, m.fresh)
	return r
}

// trust returns the files and directories by which a certificate is verified. Explicit
// trust anchors replace all others (postconf(5), smtp_tls_trust_anchor_file).
func trust(p settings, entry *detect.Policy) (out []string) {
	if len(entry.TrustAnchors) > 0 {
		return entry.TrustAnchors
	}
	if anchors := postfix.List(p.text("smtp_tls_trust_anchor_file")); len(anchors) > 0 {
		return anchors
	}
	for _, name := range []string{"smtp_tls_CAfile", "smtp_tls_CApath"} {
		if v := p.text(name); v != "" {
			out = append(out, v)
		}
	}
	if p.yes("tls_append_default_CA") {
		out = append(out, "those of the TLS library")
	}
	return out
}

// match returns what a level compares certificates with where no policy says so.
func match(p settings, level string) Value[[]string] {
	parameter, ok := map[string]string{
		"verify": "smtp_tls_verify_cert_match", "secure": "smtp_tls_secure_cert_match", "fingerprint": "smtp_tls_fingerprint_cert_match",
	}[level]
	if !ok {
		return Value[[]string]{}
	}
	v := p.value(parameter)
	words := postfix.List(v.Text)
	if level != "fingerprint" { // colons stand in fingerprints
		words = postfix.TLSList(v.Text)
	}
	return Value[[]string]{words, v.Origin}
}

// failing is why no mail leaves if every handshake fails: at level may it goes without.
func failing(level, why string) string {
	if level == "may" {
		return ""
	}
	return fmt.Sprintf("the handshake fails: %s", why)
}

// clientLevel is the TLS level of a service that sends, without its tables
// (global_tls_level in smtp_tls_policy.c). Bad is why the service does not run with it.
func clientLevel(p settings) (level Value[string], bad string) {
	v := p.value("smtp_tls_security_level")
	if text := strings.ToLower(v.Text); text != "" {
		if !slices.Contains(levels, text) {
			bad = fmt.Sprintf("smtp_tls_security_level: unknown level %.60q", v.Text)
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
