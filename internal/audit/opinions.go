package audit

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"postseal/certs"
	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/probe"
	"postseal/internal/senders"
)

// Opinion is what another test would say of this server, and why this
// card says something else, if it does.
type Opinion struct {
	// Who tests, and What they look at; Says is their verdict.
	Who, What, Says string
	// Why they differ from this card, or empty.
	Why string
}

// The others.
const (
	// internet.nl, mail test, version 1.11 of April 2026, after NCSC-NL 2025-05.
	internetNL = "internet.nl"
	// The SSL Labs rating guide, version 2009q, which is for web sites, as
	// testssl.sh 3.2 applies it to mail.
	webRules = "web scanners"
)

// Opinions are what others would say of port 25 as it was seen, worked out by
// their published rules: no service is asked. It is empty if there was no handshake.
func Opinions(e *Evidence) []Opinion {
	if l := e.shown(); l != nil {
		return append(dutch(e, *l), web(e, *l))
	}
	return nil
}

// shown is what the listener for other servers showed, or nil.
func (e *Evidence) shown() *Live {
	for i, l := range e.Live {
		if l.Listener.Kind == detect.Relay && l.Seen != nil && len(l.Seen.Versions) > 0 {
			return &e.Live[i]
		}
	}
	return nil
}

// Senders are what well-known senders would agree on with this server. It is
// empty if there was no handshake, or not all could be seen: the newest that both have
// may be what is missing.
func Senders(e *Evidence) (out []senders.Outcome) {
	l := e.shown()
	if l == nil || !l.whole() {
		return nil
	}
	for _, s := range senders.All() {
		out = append(out, s.Meet(l.Seen))
	}
	return out
}

// dutch is what internet.nl says, test by test.
func dutch(e *Evidence, l Live) []Opinion {
	out := []Opinion{{internetNL, "STARTTLS", "passes", ""}}
	add := func(what string, failed, warned []string, why string) {
		o := Opinion{Who: internetNL, What: what, Says: "passes"}
		switch {
		case len(failed) > 0:
			o.Says, o.Why = "fails: "+few(failed), why
		case len(warned) > 0:
			o.Says, o.Why = "warns, phase out: "+few(warned), why
		}
		out = append(out, o)
	}
	// seen is for what was seen: of a look that did not see all it is not said that
	// nothing bad is there.
	seen := func(what string, failed, warned []string, why string) {
		add(what, failed, warned, why)
		out[len(out)-1] = out[len(out)-1].unless(l.Seen.Incomplete)
	}
	var old []string
	for _, v := range l.Seen.Versions {
		if v.Name != "TLS 1.2" && v.Name != "TLS 1.3" {
			old = append(old, v.Name)
		}
	}
	seen("versions", old, nil, "a sender without anything newer delivers in cleartext instead (RFC 9325, section 5.2); others never choose these")
	var bad, late, short, long []string
	for version, s := range l.suites {
		switch name := s.OpenSSL; {
		case version == "TLS 1.3" || slices.Contains(bad, name) || slices.Contains(late, name):
		case insufficient(s.Suite):
			bad = append(bad, name)
		case phaseOut(s.Suite):
			late = append(late, name)
		}
		if size := fmt.Sprintf("%d bits", s.DHBits); s.DHBits > 0 && s.DHBits < 3072 && !s.Anonymous() && !slices.Contains(short, size) {
			short = append(short, size)
		} else if s.DHBits >= 3072 && !s.Anonymous() && !slices.Contains(long, size) {
			long = append(long, size)
		}
	}
	seen("suites", bad, late, "both sides choose the best they have in common: these are for senders with nothing better, which would deliver in cleartext")
	seen("cipher order", misordered(l), nil, "senders list the best first, and no known attack makes both sides choose worse; --profile modern leaves out the suites that are phased out")
	seen("finite-field groups", short, nil, "both sides choose the best they have in common, which is an elliptic curve: such a group is for senders that have none")
	if o := &out[len(out)-1]; o.Says == "passes" && len(long) > 0 {
		o.Says, o.Why = "warns or fails: "+few(long), "a group of RFC 7919 is phased out, any other of this size fails; which one it is was not seen"
	}
	var compressed []string
	if l.Seen.Compressed {
		compressed = []string{"DEFLATE"}
	}
	seen("compression", compressed, nil, "")
	var small, weak []string
	for _, c := range e.certificatesOf(l.Listener) {
		if text := shortKeys(e, c, 0, 2048); text != "" {
			small = append(small, text)
		} else if text := shortKeys(e, c, 2048, 3072); text != "" {
			weak = append(weak, text)
		}
		for _, one := range e.PEM[c.Chain].Certs {
			if key, ok := one.PublicKey.(*ecdsa.PublicKey); ok && key.Params().BitSize < 256 {
				small = append(small, fmt.Sprintf("has an ECDSA key of %d bits", key.Params().BitSize))
			}
		}
	}
	add("keys of the chain", small, weak, "a wish for the long run; RSA 2048 is what nearly all CAs and senders use")
	add("signatures of the chain", oldChain(e, l), nil, "")
	out = append(out, hashes(l))
	out = append(out, renegotiation(e, l)...)
	if !l.Seen.Extended && takes(l, "TLS 1.2") {
		add("extended master secret", []string{"not there"}, nil, "")
	}
	out = append(out, daneOpinions(e)...)
	return append(out, Opinion{internetNL, "CAA", "not known here: CAA records are not looked up", ""})
}

// misordered names a suite that is phased out and that the server chooses though the client
// has a better one: by its own order, or because the order of the client decides. As the
// test does, it looks at the newest version below TLS 1.3, and not at insufficient suites.
func misordered(l Live) []string {
	var v *probe.Version
	for i := range l.Seen.Versions {
		if l.Seen.Versions[i].Name != "TLS 1.3" {
			v = &l.Seen.Versions[i]
		}
	}
	if v == nil {
		return nil
	}
	worse := ""
	for _, s := range v.Suites {
		switch {
		case insufficient(s.Suite):
		case phaseOut(s.Suite):
			worse = cmp.Or(worse, s.OpenSSL)
		case worse != "" && v.Chooses == "server":
			return []string{worse + " before " + s.OpenSSL}
		}
	}
	better := slices.ContainsFunc(v.Suites, func(s probe.Accepted) bool { return !insufficient(s.Suite) && !phaseOut(s.Suite) })
	if worse != "" && better && v.Chooses == "client" {
		return []string{worse + " if a client prefers it"}
	}
	return nil
}

// oldChain are certificates of a listener that are signed with SHA-1 or older. Roots are
// not looked at.
func oldChain(e *Evidence, l Live) (out []string) {
	for _, c := range e.certificatesOf(l.Listener) {
		for i, one := range e.PEM[c.Chain].Certs {
			root := i > 0 && bytes.Equal(one.RawIssuer, one.RawSubject)
			if slices.Contains([]x509.SignatureAlgorithm{x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1, x509.MD5WithRSA}, one.SignatureAlgorithm) && !root {
				out = append(out, one.SignatureAlgorithm.String())
			}
		}
	}
	return slices.Compact(out)
}

// daneOpinions are what it says of the records, and of a second one beside the first, which it wants
// for the time when the key changes.
func daneOpinions(e *Evidence) []Opinion {
	o := Opinion{Who: internetNL, What: "DANE"}
	switch {
	case len(e.TLSA) == 0 && e.Resolver.Validates == detect.Yes && len(e.Unanswered) > 0:
		o.Says, o.Why = "not known here", "what is published could not be looked up"
	case len(e.TLSA) == 0 && e.Resolver.Validates == detect.Yes:
		o.Says = "fails: no TLSA record"
	case len(e.TLSA) == 0:
		o.Says, o.Why = "not known here", "the resolver of this server does not validate"
	case len(unusableTLSA.Find(e)) > 0:
		o.Says = "fails: no record that mail can use"
	case len(mismatchedTLSA.Find(e)) > 0:
		o.Says = "fails: no record names the certificate"
	default:
		o.Says = "passes, if the zone is signed"
	}
	if !strings.HasPrefix(o.Says, "passes") {
		return []Opinion{o}
	}
	second := Opinion{Who: internetNL, What: "DANE roll-over", Says: "passes"}
	for _, records := range e.TLSA {
		leaves := len(slices.DeleteFunc(slices.Clone(records), func(r certs.TLSA) bool { return r.Usage != 3 }))
		if leaves == 0 || leaves == 1 && !slices.ContainsFunc(records, func(r certs.TLSA) bool { return r.Usage == 2 }) {
			second.Says, second.Why = "informs: no second record", "a second record is published before the key changes: postseal cert rollover"
		}
	}
	return []Opinion{o, second}
}

// hashes is what internet.nl says of the signatures under key exchanges, which
// it fails if a client can have SHA-1.
func hashes(l Live) Opinion {
	o := Opinion{Who: internetNL, What: "hash of key exchange", Says: "passes"}
	const why = "both sides sign with the best they have in common; SHA-1 is for senders with nothing better"
	switch {
	case takes(l, "TLS 1.0") || takes(l, "TLS 1.1"):
		o.Says, o.Why = "fails: SHA-1", why
	case len(oldSignatures(l)) > 0:
		o.Says, o.Why = "fails: SHA-1, if a client has nothing else", why
	}
	return o.unless(l.Seen.Incomplete) // TLS 1.3 has none (RFC 8446, section 4.2.3)
}

// unless takes back that something passes.
func (o Opinion) unless(doubt bool) Opinion {
	if doubt && o.Says == "passes" {
		o.Says, o.Why = "not known here", "not all could be asked"
	}
	return o
}

// renegotiation is what internet.nl says of both kinds, which TLS 1.3 has not. A
// second hello needs a suite that the prober can seal; without one it follows from
// the releases.
func renegotiation(e *Evidence, l Live) []Opinion {
	secure, clients := Opinion{internetNL, "secure renegotiation", "passes", ""}, Opinion{internetNL, "renegotiation by clients", "passes", ""}
	if takes(l, "TLS 1.2") && !l.Seen.Secure {
		secure.Says = "fails: not there"
	}
	secure = secure.unless(l.Seen.Incomplete && !takes(l, "TLS 1.2"))
	version, known := strings.CutPrefix(e.OpenSSL, "OpenSSL ")
	switch {
	case l.Seen.Anew != nil && *l.Seen.Anew:
		clients.Says, clients.Why = "informs: it is accepted", "up to ten in a connection are acceptable there, and more are no failure"
	case l.Seen.Anew != nil || l.whole() && l.Seen.Versions[0].Name == "TLS 1.3":
	case !known:
		clients.Says, clients.Why = "not known here", "the library is not known"
	case strings.HasPrefix(version, "1.") && !e.Config.Version.AtLeast(postfix.V(3, 8, 0)) && !strings.Contains(strings.ToUpper(e.Config.Text(nil, "tls_ssl_options")), "NO_RENEGOTIATION"):
		clients.Says, clients.Why = "informs: OpenSSL before 3.0 accepts it", "it costs the server some time; tls_ssl_options = NO_RENEGOTIATION ends it"
	}
	return []Opinion{secure, clients}
}

// insufficient suites are neither ECDHE with AEAD nor phased out (NCSC-NL
// 2025-05).
func insufficient(s probe.Suite) bool {
	return s.Anonymous() || broken(s) || !strings.Contains(s.Name, "DHE_") || strings.HasSuffix(s.Name, "_SHA") || strings.HasSuffix(s.Name, "_CCM_8") || strings.HasSuffix(s.Name, "_MD5") ||
		slices.ContainsFunc([]string{"_IDEA_", "_SEED_"}, func(w string) bool { return strings.Contains(s.Name, w) })
}

// phaseOut suites are on their way out there.
func phaseOut(s probe.Suite) bool {
	return strings.Contains(s.Name, "_CBC_") || strings.Contains(s.Name, "CAMELLIA") || strings.Contains(s.Name, "ARIA") || strings.Contains(s.Name, "TLS_DHE_")
}

// web is the letter that scanners give which judge by the rules for web sites.
func web(e *Evidence, l Live) Opinion {
	const letters = "ABCFT" // the last counts
	var caps []string
	limit := func(to, why string) { caps = append(caps, to+" for "+why) }
	if l.Listener.Level == "may" {
		limit("T", "TLS that is not required")
	}
	if takes(l, "TLS 1.0") || takes(l, "TLS 1.1") {
		limit("B", "TLS 1.0 or 1.1")
	}
	if takes(l, "SSL 3.0") {
		limit("C", "SSL 3.0")
	}
	anonymous, useless, forward := false, false, false
	for version, s := range l.suites {
		anonymous = anonymous || s.Anonymous()
		useless = useless || broken(s.Suite)
		forward = forward || version == "TLS 1.3" || strings.Contains(s.Name, "DHE_")
	}
	if anonymous {
		limit("F", "anonymous suites")
	}
	if useless {
		limit("C", "broken suites")
	}
	if !forward && l.whole() {
		limit("B", "no forward secrecy")
	}
	for _, c := range e.ServerCertificates() {
		if c.SelfSigned {
			limit("T", "a certificate that no browser trusts")
			break
		}
	}
	o := Opinion{Who: webRules, What: "letter", Says: "A"}
	if len(caps) > 0 {
		slices.SortStableFunc(caps, func(a, b string) int { return strings.Index(letters, b[:1]) - strings.Index(letters, a[:1]) })
		o.Says = strings.Join(caps, ", ")
		o.Why = "a mail server that requires TLS of all senders loses mail (RFC 3207, section 4), and no mail server falls back to a weaker suite: what a web browser must refuse is better than cleartext here"
	}
	if !l.whole() {
		o.Says = "at most " + o.Says
	}
	return o
}
