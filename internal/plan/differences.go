package plan

import (
	"crypto/x509"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"postseal/certs"
	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/posture"
	"postseal/internal/probe"
)

// difference is one way in which listeners or routes change, and all those affected.
type difference struct {
	risk string
	// what happens, with %s for their names, and the consequences for peers.
	what string
	ends []string

	places []string
}

// differences are those between the posture before and after, in the order in which they
// were found.
type differences []difference

func (d *differences) add(place, risk, what string, ends ...string) {
	i := slices.IndexFunc(*d, func(x difference) bool { return x.risk == risk && x.what == what })
	if i < 0 {
		*d = append(*d, difference{risk: risk, what: what})
		i = len(*d) - 1
	}
	x := &(*d)[i]
	x.places, x.ends = union(x.places, place), union(x.ends, ends...)
}

// union adds what is not there yet.
func union(to []string, more ...string) []string {
	for _, s := range more {
		if !slices.Contains(to, s) {
			to = append(to, s)
		}
	}
	return to
}

// String is the whole in one sentence.
func (x difference) String() string {
	out := strings.Replace(x.what, "%s", strings.Join(x.places, ", "), 1)
	if len(x.ends) > 0 {
		out += ": " + strings.Join(x.ends, ", ")
	}
	return out
}

// differ adds a risk for each way in which a listener or a route becomes weaker or
// excludes peers.
func (b *builder) differ() {
	f := withDestinations(b.f)
	was, is := posture.Of(f, b.f.Config, nil), posture.Of(f, b.after, b.fresh())
	var d differences
	for _, l := range is.Listeners {
		i := slices.IndexFunc(was.Listeners, func(o posture.Listener) bool { return o.ID() == l.ID() && o.Screen == l.Screen })
		if i >= 0 {
			d.listener(was.Listeners[i], l)
		}
		if l.TLS.Is == posture.Mandatory && l.Broken != "" {
			d.add(l.ID(), RiskNoCertificate, "%s will require TLS, and no handshake can succeed there ("+l.Broken+"): all mail to it will be refused")
		}
	}
	b.withoutTLS(was, is)
	for _, r := range is.Routes {
		i := slices.IndexFunc(was.Routes, func(o posture.Route) bool {
			return o.Service.ID() == r.Service.ID() && o.Hop == r.Hop && o.Records == r.Records
		})
		if i < 0 { // dane comes: what held for all servers held for those with records, too
			i = slices.IndexFunc(was.Routes, func(o posture.Route) bool { return o.Service.ID() == r.Service.ID() && o.Hop == r.Hop })
		}
		if i >= 0 {
			b.route(&d, was.Routes[i], r)
		}
	}
	for _, r := range was.Routes { // dane goes
		if i := slices.IndexFunc(is.Routes, func(o posture.Route) bool { return o.Service.ID() == r.Service.ID() && o.Hop == r.Hop }); r.Records && i >= 0 && !is.Routes[i].Records {
			b.route(&d, r, is.Routes[i])
		}
	}
	for _, x := range d {
		b.risk(x.risk, "%s", x)
	}
	if slices.ContainsFunc(d, func(x difference) bool { return x.risk == RiskDropTLS10 }) {
		b.risk(RiskDropTLS10, "%s", b.evidence())
	}
}

// maxDestinations bounds how many domains of the policy tables are compared.
const maxDestinations = 20

// withDestinations are the facts with the domains of the policy tables as next hops: mail
// to them goes by the transport for all other domains, and not on its terms.
func withDestinations(f *detect.Facts) *detect.Facts {
	var domains []detect.Hop
	for _, p := range f.Policies {
		if !strings.ContainsAny(p.Destination, "[:*") && p.Level != "none" && p.Fault == "" && len(domains) < maxDestinations {
			domains = append(domains, detect.Hop{Name: p.Destination, From: "smtp_tls_policy_maps"})
		}
	}
	out := *f
	out.Transports = slices.Clone(f.Transports)
	for i, t := range out.Transports {
		if slices.ContainsFunc(t.Hops, func(h detect.Hop) bool { return h.Name == "" && h.From == "default_transport" }) {
			out.Transports[i].Hops = slices.Concat(t.Hops, domains)
		}
	}
	return &out
}

// fresh are the certificates of the chain files that the plan names, by path.
func (b *builder) fresh() map[string]certs.Facts {
	out := map[string]certs.Facts{}
	for path, s := range b.served {
		if s.known {
			out[path] = s.Facts
		}
	}
	return out
}

// withoutTLS names the listeners for others that will have no TLS since there is no
// certificate: nothing changes for them, and it must not pass for hardened.
func (b *builder) withoutTLS(was, is posture.Posture) {
	if b.d.Role == detect.Sender || len(b.d.Cert) > 0 || b.f.InFront() != "" {
		return
	}
	var open []string
	for _, l := range is.Listeners {
		worked := slices.ContainsFunc(was.Listeners, func(o posture.Listener) bool { return o.ID() == l.ID() && o.Works() })
		if !worked && l.At.Kind != detect.Internal && l.TLS.Is != posture.Mandatory && !l.Works() && !l.Screen {
			open = append(open, l.ID())
		}
	}
	if len(open) > 0 {
		b.risk(RiskNoInboundTLS, "%s will accept all mail in cleartext, since there is no certificate: postseal cert self-signed creates one at once, and postseal cert obtain orders one from a CA", strings.Join(open, ", "))
	}
}

// shutOut says what happens to clients of a listener that lack what it asks for: %s.
func shutOut(l posture.Listener) string {
	clients := "senders"
	switch l.At.Kind {
	case detect.Submission, detect.Submissions:
		clients = "mail programs"
	case detect.Internal:
		clients = "programs and devices"
	}
	if l.TLS.Is == posture.Mandatory {
		return clients + " without %s can no longer send"
	}
	return clients + " without %s fall back to cleartext or fail"
}

// proxied says what TLS that is required means behind a proxy; empty if there is none.
func proxied(l posture.Listener) string {
	if !l.At.Proxy {
		return ""
	}
	return ". A proxy is in front: if it terminates TLS, nothing that comes through it is accepted any more"
}

func (d *differences) listener(was, is posture.Listener) {
	id := is.ID()
	users := is.At.Kind == detect.Submission || is.At.Kind == detect.Submissions
	switch {
	case is.TLS.Is < was.TLS.Is && (was.Works() || was.TLS.Is == posture.Mandatory):
		d.add(id, RiskLowerInbound, fmt.Sprintf("%%s uses TLS level %s now and will use %s: mail that is protected now can arrive in cleartext", was.TLS.Is, is.TLS.Is))
	case is.TLS.Is == posture.Mandatory && was.TLS.Is != posture.Mandatory && users:
		d.add(id, RiskRequireSubmission, "%s will require TLS: mail clients that are set to no encryption can no longer send"+proxied(is))
	case is.TLS.Is == posture.Mandatory && was.TLS.Is != posture.Mandatory && is.At.Kind == detect.Internal:
		d.add(id, RiskRequireInbound, "%s will refuse mail in cleartext: programs and devices that send there without TLS can no longer do so"+proxied(is))
	case is.TLS.Is == posture.Mandatory && was.TLS.Is != posture.Mandatory:
		d.add(id, RiskRequireInbound, "%s will refuse mail in cleartext: mail from servers without TLS returns to its sender, and RFC 3207 forbids this on a public mail exchanger"+proxied(is))
	}
	if is.Login.Is == posture.LoginInClear && was.Login.Is < posture.LoginInClear {
		d.add(id, RiskPasswordInClear, "%s will accept passwords in cleartext")
	}
	if was.Login.Is == posture.LoginInClear && is.Login.Is == posture.LoginInTLS && is.TLS.Is != posture.Mandatory {
		d.add(id, RiskRequireAuthTLS, "%s will accept passwords only inside TLS: users and programs that log in without TLS can no longer send"+proxied(is))
	}
	if was.ClientCertificate.Is != posture.Mandatory && is.ClientCertificate.Is == posture.Mandatory {
		d.add(id, RiskRequireClientCertificate, "%s will accept only clients that present a certificate")
	}
	if !was.Works() {
		return
	}
	if !is.Works() {
		if is.TLS.Is != posture.Mandatory {
			d.add(id, RiskDropCertificate, "%s will no longer present a certificate: all mail arrives there in cleartext")
		}
		return
	}
	end := shutOut(is)
	lost, gained := versions(was.Versions.Is, is.Versions.Is)
	d.lostVersions(id, lost, is.Versions.Is, end)
	if len(gained) > 0 && gained[0].Below(was.Floor()) && gained[0].Below(postfix.TLSv12) {
		d.add(id, RiskLowerInboundFloor, fmt.Sprintf("%%s accepts %s now and will accept %s too: attackers can break older TLS", named12(was.Versions.Is), named12(gained)))
	}
	if _, had := was.Serves["RSA"]; had && is.Serves != nil {
		if _, has := is.Serves["RSA"]; !has {
			d.add(id, RiskDropRSA, "%s presents an RSA certificate now and will present none", fmt.Sprintf(end, "support for ECDSA"))
		}
	}
	if !slices.Contains(was.Versions.Is, postfix.TLSv12) || !slices.Contains(is.Versions.Is, postfix.TLSv12) {
		return
	}
	gone, back := classes(was.Suites, is.Suites, algorithms(was.Serves), algorithms(is.Serves))
	d.suites(id, "accept", gone, back, fmt.Sprintf(end, "stronger suites"))
}

// lostVersions adds the versions that a listener no longer accepts; end has %s for what
// the client would have to support.
func (d *differences) lostVersions(id string, lost, left []postfix.Protocol, end string) {
	old := slices.DeleteFunc(slices.Clone(lost), func(p postfix.Protocol) bool { return !p.Below(postfix.TLSv12) })
	if len(old) > 0 {
		d.add(id, RiskDropTLS10, fmt.Sprintf("%%s will refuse %s", named12(old)), fmt.Sprintf(end, "TLS 1.2 or later"))
	}
	if slices.Contains(lost, postfix.TLSv12) {
		d.add(id, RiskTLS13Only, fmt.Sprintf("%%s will accept only %s", named12(left)), fmt.Sprintf(end, named12(left)))
	}
	if slices.Contains(lost, postfix.TLSv13) {
		d.add(id, RiskDropTLS13, "%s will refuse TLS 1.3", fmt.Sprintf(end, "an older version"))
	}
}

// versions compares two sets of protocol versions.
func versions(was, is []postfix.Protocol) (lost, gained []postfix.Protocol) {
	without := func(from, what []postfix.Protocol) []postfix.Protocol {
		return slices.DeleteFunc(slices.Clone(from), func(p postfix.Protocol) bool { return slices.Contains(what, p) })
	}
	return without(was, is), without(is, was)
}

// named12 are versions as people write them: "TLS 1.0 and 1.1".
func named12(all []postfix.Protocol) string {
	numbers := map[postfix.Protocol]string{postfix.TLSv1: "1.0", postfix.TLSv11: "1.1", postfix.TLSv12: "1.2", postfix.TLSv13: "1.3"}
	var out []string
	for _, p := range all {
		out = append(out, numbers[p])
	}
	if len(out) < 2 {
		return "TLS " + strings.Join(out, "")
	}
	return "TLS " + strings.Join(out[:len(out)-1], ", ") + " and " + out[len(out)-1]
}

// counted are classes of suites outside of which some clients support nothing.
var counted = []string{"kRSA", "kDHE", "SHA1", "SHA256", "SHA384"}

// neverAlone are classes outside of which every known client supports others.
var neverAlone = []string{"CAMELLIA", "ARIA", "AESCCM8"}

// suites names the classes that are no longer agreed on, and those that come back.
func (d *differences) suites(id, verb string, lost, back []string, end string) {
	if len(lost) > 0 {
		d.add(id, RiskDropOldCiphers, fmt.Sprintf("%%s will no longer %s the cipher suites of %s", verb, strings.Join(lost, ", ")), end)
	}
	if len(back) > 0 {
		d.add(id, RiskAllowCiphers, fmt.Sprintf("%%s will %s the cipher suites of %s again, which are excluded now", verb, strings.Join(back, ", ")))
	}
}

// classes compares two lists of suites by what is left of them, or, where that is not
// known, by the words that exclude.
func classes(was, is posture.Suites, before, after []string) (lost, back []string) {
	old, known := was.Left(before...)
	left, knownToo := is.Left(after...)
	if !known || !knownToo {
		without := func(from, what []string) []string {
			return slices.DeleteFunc(slices.Clone(from), func(w string) bool { return slices.Contains(what, w) })
		}
		lost = slices.DeleteFunc(without(is.Excluded, was.Excluded), func(w string) bool { return !slices.Contains(counted, w) })
		return lost, without(was.Excluded, is.Excluded)
	}
	has := func(of []probe.Suite, class string) bool {
		return slices.ContainsFunc(of, func(s probe.Suite) bool { return s.In(class) && (class == "aNULL" || !s.Anonymous()) })
	}
	needed := slices.DeleteFunc(slices.Clone(old), func(s probe.Suite) bool { return slices.ContainsFunc(neverAlone, s.In) })
	for _, class := range counted {
		if has(needed, class) && !has(left, class) {
			lost = append(lost, class)
		}
	}
	// A certificate of another kind brings suites that were not excluded.
	fresh, _ := was.Left(after...)
	for _, class := range slices.Concat(counted, []string{"aNULL"}, neverAlone) {
		if !has(old, class) && !has(fresh, class) && has(left, class) {
			back = append(back, class)
		}
	}
	return lost, back
}

func algorithms(serves map[string]string) (out []string) {
	for _, a := range []string{"RSA", "ECDSA", "Ed25519"} {
		if _, ok := serves[a]; ok {
			out = append(out, a)
		}
	}
	return out
}

// untrusted are the files and folders of CAs by which servers are verified no longer,
// and that have CAs which are not in those that come instead, as far as that is known.
func (b *builder) untrusted(was, is []string) (out []string) {
	in := func(path string) []*x509.Certificate {
		if path == b.f.Bundle.Path {
			return b.f.Bundle.Certs
		}
		return b.f.CAFiles[path].Certs
	}
	var left []*x509.Certificate
	folders := map[string]bool{} // the distribution's folder has the CAs of its file
	for _, path := range is {
		left = append(left, in(path)...)
		folders[filepath.Dir(path)] = true
	}
	for _, path := range was {
		old := in(path)
		gone := slices.ContainsFunc(old, func(c *x509.Certificate) bool { return !slices.ContainsFunc(left, c.Equal) })
		if !slices.Contains(is, path) && (gone || old == nil && b.f.CAFiles[path].Err == nil) && !folders[filepath.Clean(path)] && !slices.Contains(is, filepath.Dir(path)) {
			out = append(out, path)
		}
	}
	return out
}

func (b *builder) route(d *differences, was, is posture.Route) {
	id := is.ID()
	from, to := levelOf(was), levelOf(is)
	if was.Deferred != "" || was.Dead != "" { // whatever comes, more mail leaves than now
		if lower(from, to) && was.Dead == "" {
			d.add(id, RiskLowerOutbound, lowered(from, to))
		}
		return
	}
	const waits = "waits in the queue and returns to its sender after days"
	if len(was.Shows) > 0 && len(is.Shows) == 0 && is.Level.Is != "none" {
		d.add(id, RiskDropClientCertificate, "%s will no longer present a client certificate: partners that require one refuse its mail")
	}
	if b.d.ClientCert.Path() == "" && len(is.Shows) > 0 && is.Level.Is != "none" { // by a reference to what is presented to clients
		switch {
		case len(was.Shows) == 0:
			d.add(id, RiskChangeClientCertificate, "%s presents no client certificate now and will present that of the server: some servers refuse mail from a client whose certificate they do not trust")
		case was.Presents != nil && is.Presents != nil && !maps.Equal(was.Presents, is.Presents):
			d.add(id, RiskChangeClientCertificate, "%s will present another client certificate: partners that know the present one by its fingerprint refuse its mail")
		}
	}
	switch {
	case is.Dead != "":
		d.add(id, RiskStopOutbound, "%s will not run ("+is.Dead+"): its mail "+waits)
		return
	case is.Deferred != "":
		d.add(id, RiskStopOutbound, "%s will defer all its mail ("+is.Deferred+"): it "+waits)
		return
	case from == "" || to == "" || from == "none" && to == "may":
		return
	case lower(from, to):
		d.add(id, RiskLowerOutbound, lowered(from, to))
		return
	case posture.Demands(to) && !posture.Demands(from), posture.Authenticates(to) && !posture.Authenticates(from) && to != "dane":
		d.add(id, RiskRequireOutbound, fmt.Sprintf("level %s for all mail by %%s: mail to servers that do not meet it %s%s", to, waits, b.localHops()))
		return
	case from == "none":
		return
	}
	end := "mail to servers that support nothing else " + waits
	if to == "may" {
		end = "mail to servers that support nothing else leaves in cleartext"
	}
	lost, gained := versions(was.Versions.Is, is.Versions.Is)
	if len(lost) > 0 {
		d.add(id, RiskRaiseOutboundFloor, fmt.Sprintf("%%s will no longer offer %s", named12(lost)), end)
	}
	if len(gained) > 0 && len(was.Versions.Is) > 0 && gained[0].Below(was.Versions.Is[0]) && gained[0].Below(postfix.TLSv12) {
		d.add(id, RiskLowerOutboundFloor, fmt.Sprintf("%%s offers %s now and will offer %s too: attackers can break older TLS", named12(was.Versions.Is), named12(gained)))
	}
	if slices.Contains(was.Versions.Is, postfix.TLSv12) && slices.Contains(is.Versions.Is, postfix.TLSv12) {
		both := []string{"RSA", "ECDSA"}
		gone, back := classes(was.Suites, is.Suites, both, both)
		if posture.Authenticates(to) && !posture.Authenticates(from) {
			back = nil // the mandatory list takes over, which excluded nothing that it does not exclude now
		}
		d.suites(id, "offer", gone, back, end)
	}
	wider := b.untrusted(is.Trust, was.Trust)
	if (to == "verify" || to == "secure") && len(was.Trust) > 0 && len(wider) > 0 {
		d.add(id, RiskWiderTrust, fmt.Sprintf("%%s checks servers against %s now and will check them against %s: certificates of more CAs pass", strings.Join(was.Trust, " and "), strings.Join(is.Trust, " and ")))
	}
	if gone := b.untrusted(was.Trust, is.Trust); (to == "verify" || to == "secure") && len(is.Trust) > 0 && len(gone) > 0 {
		d.add(id, RiskDropTrust, fmt.Sprintf("%%s will no longer trust the CAs of %s: mail to servers with certificates of those %s", strings.Join(gone, " and "), waits))
	}
}

// lower reports whether a level protects mail less than the one before.
func lower(from, to string) bool {
	switch {
	case from == "" || to == "":
		return false
	case posture.Demands(from) && !posture.Demands(to), posture.Authenticates(from) && !posture.Authenticates(to):
		return true
	}
	return from != "none" && to == "none"
}

func lowered(from, to string) string {
	return fmt.Sprintf("%%s sends at TLS level %s now and will send at %s: mail that is deferred now can leave unprotected", from, to)
}

// levelOf is the level at which a route serves its mail: that of servers without TLSA
// records is may, where dane is set.
func levelOf(r posture.Route) string {
	if r.Level.Is == "dane" && !r.Records {
		return "may"
	}
	return r.Level.Is
}
