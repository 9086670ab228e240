package posture

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"postseal/certs"
	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
)

// Listener describes what a client meets at one address. A postscreen makes two: its own
// conversation with the clients that it tests, and the smtpd to which it hands the others.
type Listener struct {
	// At is the service that listens; its Kind says which clients it is for.
	At detect.Listener
	// Service is the one that speaks with the client: At, or the smtpd behind it.
	Service mastercf.Service
	// Screen is true for the conversation of a postscreen.
	Screen bool
	// Dead is why the service ends before it greets; empty if it greets.
	Dead string
	// TLS is what it does about TLS, Implicit that TLS begins with the first byte.
	TLS      Value[Duty]
	Implicit bool
	// Hidden is true if EHLO does not list the STARTTLS that the listener takes, so that
	// hardly any client asks for it (postconf(5), smtpd_discard_ehlo_keywords).
	Hidden bool
	// Broken is why no handshake comes about though TLS is offered; empty if one can.
	Broken string
	// Versions are the protocol versions that it accepts, oldest first; Permitted are
	// those that are switched on, whether a suite is left for them or not.
	Versions  Value[[]postfix.Protocol]
	Permitted []postfix.Protocol
	// Suites are those of TLS 1.2 and older.
	Suites Suites
	// Serves maps "RSA", "ECDSA" or "Ed25519" to the SHA-256 of the leaf that it
	// presents; nil if that is not known.
	Serves map[string]string
	// Named are the leaves for clients that name a host (SNI, RFC 6066), by the keys of
	// tls_server_sni_maps: a name, or ".example.org" for those below; as Serves, or nil if
	// the entry cannot be loaded. What could not be listed is in detect.Facts.Unseen.
	Named map[string]map[string]string
	// ClientCertificate is Never, Offered if one is asked for, or Mandatory.
	ClientCertificate Value[Duty]
	// Login says when it offers SMTP AUTH: never, only inside TLS, or also in cleartext.
	Login Value[Login]
}

// Login says when a listener accepts passwords.
type Login int

// The answers, from strict to loose.
const (
	NoLogin Login = iota
	LoginInTLS
	LoginInClear
)

// ID returns the name of the listener: "submission/inet", or "smtpd/pass behind smtp/inet".
func (l Listener) ID() string {
	if l.Service.ID() == l.At.Service.ID() {
		return l.Service.ID()
	}
	return l.Service.ID() + " behind " + l.At.Service.ID()
}

// ServesTo returns what the listener presents to a client that names a host, in the form of
// Serves: from the entry for the name, or that for the nearest domain above it, or else what
// all others get (tls_server_sni_callback in tls_misc.c). known is false if the entry cannot
// be loaded: the handshake fails.
func (l Listener) ServesTo(name string) (leaves map[string]string, known bool) {
	for key := strings.ToLower(name); key != ""; {
		if leaves, ok := l.Named[key]; ok {
			return leaves, leaves != nil
		}
		dot := strings.IndexByte(key[1:], '.')
		if dot < 0 {
			break
		}
		key = key[1+dot:]
	}
	return l.Serves, l.Serves != nil
}

// Works reports whether a handshake can come about.
func (l Listener) Works() bool {
	return l.Dead == "" && l.Broken == "" && l.TLS.Is != Never
}

// Floor returns the oldest version that it accepts, or "".
func (l Listener) Floor() postfix.Protocol {
	if len(l.Versions.Is) == 0 {
		return ""
	}
	return l.Versions.Is[0]
}

// family names the parameters of a program that receives: smtpd and tlsproxy have the
// same ones under different names (smtpd.c and tlsproxy.c, pre_jail_init).
type family struct{ settings }

func (p family) tls(name string) postfix.Value {
	prefix := "smtpd_tls_"
	if p.s.Program() == "tlsproxy" {
		prefix = "tlsproxy_tls_"
	}
	return p.value(prefix + name)
}

// listener is what the smtpd s does for those who connect to at.
func (m model) listener(at, s mastercf.Service) Listener {
	p := family{settings{m.c, s}}
	l := Listener{At: m.f.Listener(m.c, at), Service: s}
	l.Dead = dead(s)
	l.Implicit = p.yes("smtpd_tls_wrappermode")
	var bad string
	l.TLS, bad = level(p.settings, "smtpd_tls_security_level", "smtpd_use_tls", "smtpd_enforce_tls")
	if l.Implicit { // the level is not even read then
		l.TLS, bad = Value[Duty]{Mandatory, p.value("smtpd_tls_wrappermode").Origin}, ""
	}
	if l.Dead == "" {
		l.Dead = bad
	}
	m.engine(&l, p)
	if p.yes("smtpd_sasl_auth_enable") {
		l.Login = Value[Login]{LoginInClear, p.value("smtpd_sasl_auth_enable").Origin}
		switch only := p.value("smtpd_tls_auth_only"); {
		case l.TLS.Is == Mandatory:
			l.Login = Value[Login]{LoginInTLS, l.TLS.Origin}
		case strings.EqualFold(only.Text, "yes"):
			l.Login = Value[Login]{LoginInTLS, only.Origin}
		}
	}
	l.Hidden = l.TLS.Is != Never && !l.Implicit && discards(p.text("smtpd_discard_ehlo_keywords"))
	return l
}

// screen is what a postscreen does for those that it tests in a conversation of its
// own. Its TLS is done by tlsproxy(8).
func (m model) screen(s mastercf.Service) Listener {
	p := settings{m.c, s}
	l := Listener{At: m.f.Listener(m.c, s), Service: s, Screen: true, Dead: dead(s)}
	var bad string
	l.TLS, bad = level(p, "postscreen_tls_security_level", "postscreen_use_tls", "postscreen_enforce_tls")
	if l.Dead == "" {
		l.Dead = bad
	}
	l.Hidden = l.TLS.Is != Never && discards(p.text("postscreen_discard_ehlo_keywords"))
	name := cmp.Or(p.text("tlsproxy_service_name"), "tlsproxy")
	proxy, ok := m.c.Master.Find(name, "unix")
	if !ok {
		if l.TLS.Is != Never {
			l.Broken = fmt.Sprintf("master.cf has no service %s/unix, which does the TLS of postscreen", name)
		}
		return l
	}
	q := family{settings{m.c, proxy}}
	if duty, _ := level(q.settings, "tlsproxy_tls_security_level", "tlsproxy_use_tls", "tlsproxy_enforce_tls"); l.TLS.Is != Never && duty.Is == Never {
		l.Broken = "TLS is disabled in tlsproxy"
	} else {
		own := l.TLS
		l.TLS = duty // tlsproxy goes by its own level
		m.engine(&l, q)
		l.TLS = own
	}
	return l
}

// dead is why a service ends before it answers; empty if nothing is known.
func dead(s mastercf.Service) string {
	if len(s.Stray) > 0 {
		return fmt.Sprintf("unexpected argument %.60q", s.Stray[0].Text)
	}
	for _, o := range s.Options {
		if o.Bad != "" {
			return o.Bad
		}
	}
	return ""
}

// level is the duty that a level parameter gives, or, if that is empty, the two that
// it replaced. Bad is why the service does not run with it.
func level(p settings, name, use, enforce string) (duty Value[Duty], bad string) {
	v := p.value(name)
	duty.Origin = v.Origin
	switch text := strings.ToLower(v.Text); text { // tls_level_lookup(3) folds case
	case "none":
		return duty, ""
	case "may":
		duty.Is = Offered
	case "encrypt", "fingerprint", "verify", "secure": // "using encrypt", Postfix logs
		duty.Is = Mandatory
	case "":
		switch {
		case p.yes(enforce):
			return Value[Duty]{Mandatory, p.value(enforce).Origin}, ""
		case p.yes(use):
			return Value[Duty]{Offered, p.value(use).Origin}, ""
		}
	default:
		return duty, fmt.Sprintf("%s: unknown level %.60q", name, v.Text)
	}
	return duty, ""
}

// engine fills in what the TLS library is told.
func (m model) engine(l *Listener, p family) {
	if l.TLS.Is == Never {
		return
	}
	must := ""
	if l.TLS.Is == Mandatory {
		must = "mandatory_"
	}
	ask, require := p.tls("ask_ccert"), p.tls("req_ccert")
	switch {
	case must != "" && strings.EqualFold(require.Text, "yes"):
		l.ClientCertificate = Value[Duty]{Mandatory, require.Origin}
	case strings.EqualFold(ask.Text, "yes"):
		l.ClientCertificate = Value[Duty]{Offered, ask.Origin}
	}
	switch certificate := p.tls("cert_file").Text; {
	case p.tls("chain_files").Text+p.tls("eccert_file").Text+p.tls("dcert_file").Text != "":
	case strings.EqualFold(certificate, "none") && l.ClientCertificate.Is == Never:
	case certificate == "" || strings.EqualFold(certificate, "none"):
		l.Broken = "there is no certificate"
	}
	v := p.tls(must + "protocols")
	versions, err := postfix.ParseProtocols(v.Text, m.c.Version)
	if err != nil && l.Broken == "" {
		l.Broken = err.Error()
	}
	if l.ClientCertificate.Is == Mandatory { // tls_server.c asks for security level 1
		versions = m.firm(versions)
	}
	l.Permitted = versions
	l.Suites = m.suites(p.settings, p.tls(must+"ciphers"), l.ClientCertificate.Is == Mandatory)
	l.Suites.exclude(p.tls("exclude_ciphers"))
	if must != "" {
		l.Suites.exclude(p.tls("mandatory_exclude_ciphers"))
	}
	if l.ClientCertificate.Is != Never {
		l.Suites.Excluded = append(l.Suites.Excluded, "aNULL")
	}
	if l.Suites.Bad != "" && l.Broken == "" {
		l.Broken = l.Suites.Bad
	}
	if l.Serves = Serves(m.f, m.c, p.s, m.fresh); l.Serves != nil {
		versions = l.Suites.bear(versions, slices.Collect(maps.Keys(l.Serves))...)
	}
	l.Named = m.named(p.text("tls_server_sni_maps"))
	l.Versions = Value[[]postfix.Protocol]{versions, v.Origin}
	if len(versions) == 0 && l.Broken == "" {
		l.Broken = fmt.Sprintf("%q leaves no TLS version that has a cipher suite", v.Text)
	}
}

// firm takes out the versions that OpenSSL 3 leaves off at its security level 1, which
// Postfix asks for where it authenticates the peer: their handshakes are signed with SHA-1.
func (m model) firm(versions []postfix.Protocol) []postfix.Protocol {
	if !m.f.OpenSSLAtLeast(3, 0) {
		return versions
	}
	return slices.DeleteFunc(slices.Clone(versions), func(p postfix.Protocol) bool { return p.Below(postfix.TLSv12) })
}

// Serves returns what a service presents under a configuration: the SHA-256 of the leaf,
// by "RSA", "ECDSA" or "Ed25519", or nil if that is not known. For fresh see Of.
func Serves(f *detect.Facts, c postfix.Config, s mastercf.Service, fresh map[string]certs.Facts) map[string]string {
	at := *f
	at.Config = c
	prefix := "smtpd_tls_"
	if s.Program() == "tlsproxy" {
		prefix = "tlsproxy_tls_"
	}
	groups, _ := at.CertificateFiles(&s, prefix)
	return leaves(f, groups, fresh)
}

// leaves are what certificate files hold, in the form of Serves.
func leaves(f *detect.Facts, groups [][]string, fresh map[string]certs.Facts) map[string]string {
	out := map[string]string{}
	for _, g := range groups {
		var others []string // a key may stand in one file and its chain in the next
		for _, path := range slices.Compact(slices.Clone(g)) {
			if leaf, ok := fresh[path]; ok {
				out[leaf.Algorithm] = leaf.Fingerprint
			} else {
				others = append(others, path)
			}
		}
		chains, _, err := f.Chains(others...)
		if err != nil && !errors.Is(err, certs.ErrNoCert) { // keys alone show nothing
			return nil
		}
		for _, chain := range chains {
			out[chain.Facts.Algorithm] = chain.Facts.Fingerprint
		}
	}
	return out
}

// named are the leaves of the lookup tables with certificates by name.
func (m model) named(tables string) map[string]map[string]string {
	of := postfix.List(tables)
	if len(of) == 0 {
		return nil
	}
	out := map[string]map[string]string{}
	for _, c := range m.f.Certificates {
		for _, key := range c.SNI {
			leaves, there := out[key]
			switch {
			case !slices.Contains(of, c.Table) || there && leaves == nil:
			case c.Err != nil || c.Refused != "":
				out[key] = nil
			case !there:
				out[key] = map[string]string{c.Algorithm: c.Fingerprint}
			default:
				leaves[c.Algorithm] = c.Fingerprint
			}
		}
	}
	return out
}

// discards reports whether a list of EHLO keywords takes STARTTLS out.
func discards(keywords string) bool {
	return slices.ContainsFunc(postfix.List(keywords), func(w string) bool { return strings.EqualFold(w, "starttls") })
}
