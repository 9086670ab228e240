package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"postseal/certs"
	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/postfix/maincf"
)

// risk notes that something must be accepted by name. The text says what
// happens to mail.
func (b *builder) risk(name, format string, args ...any) {
	if !slices.ContainsFunc(b.p.Risks, func(r Risk) bool { return r.Name == name }) {
		b.p.Risks = append(b.p.Risks, Risk{name, fmt.Sprintf(format, args...)})
	}
}

// risks compares the server as it is with the server as it will be. A plan
// that changes nothing risks nothing.
func (b *builder) risks() {
	if b.p.Empty() {
		return
	}
	for _, s := range b.after.Master.Services() {
		before, existed := b.f.Config.Master.Find(s.Name, s.Type)
		if s.Type != "inet" || !existed || s.Program() != "smtpd" && s.Program() != "postscreen" {
			continue
		}
		b.listenerRisks(b.f.Listener(b.f.Config, before), b.f.Listener(b.after, s))
	}
	b.certificateRisks()
	b.exposureRisk()
	b.sendingRisks()
	b.handEdits()
	for _, m := range b.f.Managers {
		if m.Overwrites {
			b.risk(RiskManagedElsewhere, "%s writes this configuration too (%s) and may undo the change at its next run: make it there instead", m.Name, m.Evidence)
		}
	}
}

// levels of a receiving service from loose to strict.
var receiveLevels = []string{"none", "may", "encrypt"}

func (b *builder) listenerRisks(was, is detect.Listener) {
	id := was.Service.ID()
	down := slices.Index(receiveLevels, is.Level) < slices.Index(receiveLevels, was.Level)
	users := is.Kind == detect.Submission || is.Kind == detect.Submissions
	switch {
	case down:
		b.risk(RiskLowerInbound, "%s has TLS level %s now and would have %s: mail that is protected now could come in clear text", id, was.Level, is.Level)
	case is.Level == "encrypt" && was.Level != "encrypt" && users:
		b.risk(RiskRequireSubmission, "%s would demand TLS: a user whose mail program is set to no encryption can no longer send", id)
	case is.Level == "encrypt" && was.Level != "encrypt":
		b.risk(RiskRequireInbound, "%s would refuse mail in clear text: what servers without TLS send goes back to its sender, and RFC 3207 forbids that on a public mail exchanger", id)
	}
	if is.Level == "none" || was.Level == "none" {
		return
	}
	old, now := b.listenerFloor(b.f.Config, was), b.listenerFloor(b.after, is)
	switch {
	case old == "" || now == "":
	case now.Below(old):
		b.risk(RiskLowerInboundFloor, "%s takes %s and newer now, and would take %s too: older TLS can be broken", id, old, now)
	case now == postfix.TLSv13 && old != now:
		b.risk(RiskTLS13Only, "%s would take TLS 1.3 alone: whoever has nothing newer than TLS 1.2 falls back to clear text or fails", id)
	case old.Below(postfix.TLSv12) && !now.Below(postfix.TLSv12):
		b.risk(RiskDropTLS10, "%s would no longer take TLS 1.0 and 1.1: a sender with nothing newer falls back to clear text or its mail fails%s", id, b.noEvidence())
	}
	auth := func(c postfix.Config, l detect.Listener) bool {
		return l.Auth && l.Level != "encrypt" && !c.Bool(&l.Service, "smtpd_tls_auth_only")
	}
	if auth(b.after, is) && !auth(b.f.Config, was) {
		b.risk(RiskPasswordInClear, "%s would take passwords in clear text", id)
	}
	if is.Auth && is.Level != "encrypt" && b.after.Bool(&is.Service, "smtpd_tls_auth_only") && !b.f.Config.Bool(&was.Service, "smtpd_tls_auth_only") {
		b.risk(RiskRequireAuthTLS, "%s would take passwords inside TLS alone: a user or program that logs in without it can no longer send", id)
	}
	if old != "" && !old.Below(postfix.TLSv12) { // else drop-tls10 says more
		var lost []string
		had := words(b.f.Config.Text(&was.Service, "smtpd_tls_exclude_ciphers"))
		for _, w := range words(b.after.Text(&is.Service, "smtpd_tls_exclude_ciphers")) {
			if slices.Contains([]string{"kRSA", "SHA1", "kDHE", "SHA256", "SHA384"}, w) && !slices.Contains(had, w) {
				lost = append(lost, w)
			}
		}
		if len(lost) > 0 {
			b.risk(RiskDropOldCiphers, "%s would no longer take the suites of %s: a sender of TLS 1.2 with nothing better falls back to clear text or fails", id, strings.Join(lost, ", "))
		}
	}
	gone := func(name string) (out []string) {
		after := words(b.after.Text(&is.Service, name))
		for _, w := range words(b.f.Config.Text(&was.Service, name)) {
			if !slices.Contains(after, w) {
				out = append(out, w)
			}
		}
		return out
	}
	for _, name := range []string{"smtpd_tls_exclude_ciphers", "smtpd_tls_mandatory_exclude_ciphers"} {
		if lost := gone(name); len(lost) > 0 {
			b.risk(RiskAllowCiphers, "%s excludes %s now and would allow them again", name, strings.Join(lost, ", "))
		}
	}
}

// noEvidence says when the log cannot tell who would be hit.
func (b *builder) noEvidence() string {
	if b.f.Config.Text(nil, "smtpd_tls_loglevel") == "0" {
		return "; who that is cannot be told, since nothing about TLS is logged now"
	}
	if b.f.Log.Path != "" {
		return "; who that is: grep -E 'TLSv1(\\.1)? with cipher' " + b.f.Log.Path
	}
	if !b.f.Log.Journal {
		return "; " + b.f.Log.Why
	}
	return "; the log tells who that is"
}

// certificateRisks looks at what will be shown, and at what is shown now.
func (b *builder) certificateRisks() {
	var now []certs.Facts
	for _, c := range b.f.ServerCertificates() {
		if c.Err == nil {
			now = append(now, c.Facts)
		}
	}
	shown := words(b.after.Text(nil, "smtpd_tls_chain_files"))
	var will []certs.Facts
	for _, path := range shown {
		if c, ok := b.served[path]; ok && c.known {
			will = append(will, c.Facts)
			if !unchanged(c.Facts, now) {
				b.daneRisk(c)
			}
		}
	}
	if len(will) == 0 {
		if len(now) > 0 && len(shown) == 0 && b.d.Role != detect.Sender && b.isServing() && !b.servesAfter() {
			b.risk(RiskDropCertificate, "no certificate would be shown any more: all mail comes in clear text")
		}
		return
	}
	rsa := func(c certs.Facts) bool { return c.Algorithm == "RSA" }
	if slices.ContainsFunc(now, rsa) && !slices.ContainsFunc(will, rsa) {
		b.risk(RiskDropRSA, "an RSA certificate is shown now and none would be: senders that know only RSA fall back to clear text or fail")
	}
	selfSigned := func(c certs.Facts) bool { return c.SelfSigned }
	if slices.ContainsFunc(now, func(c certs.Facts) bool { return !c.SelfSigned }) && slices.ContainsFunc(will, selfSigned) {
		b.risk(RiskSelfSigned, "the certificate would be self-signed, and is not now: senders that check certificates, by MTA-STS say, hold their mail back")
	}
	for _, c := range will {
		if unchanged(c, now) {
			continue
		}
		if !c.Complete {
			b.risk(RiskIncompleteChain, "the chain of %s lacks the certificate of its issuer (%s): senders that check certificates hold their mail back", strings.Join(c.Names, ", "), c.Issuer)
		}
		if !slices.ContainsFunc(b.f.Needed, func(n detect.Name) bool { return c.Covers(n.Name) }) {
			b.risk(RiskWrongName, "the certificate is for %s, and this server is %s: senders that check names hold their mail back", strings.Join(c.Names, ", "), strings.Join(b.f.NeededNames(), ", "))
		}
	}
}

// staleRisk looks whether a chain that is to be copied is one that another
// client renews: nobody would tell that client of the copy.
func (b *builder) staleRisk(c certs.Facts, from []string) {
	for _, path := range from {
		d, ok := b.f.RenewedAs(c, path)
		if !ok {
			continue
		}
		way := "--cert with that path follows it"
		if slices.ContainsFunc(from, func(p string) bool { return b.f.Leads(p, d.Chain) }) { // in another order than Postfix wants
			way = "let its deploy hook run postseal apply --yes --accept-risk " + RiskStaleCopy
		}
		b.risk(RiskStaleCopy, "%s renews %s. Postfix would read a copy, and go on showing the old one after a renewal: %s", d.Owner, d.Chain, way)
		return
	}
}

// daneRisk looks whether a new chain is what signed TLSA records name.
func (b *builder) daneRisk(c served) {
	unnamed := func(published map[string][]certs.TLSA) (out []string) {
		for _, name := range slices.Sorted(maps.Keys(published)) {
			records := published[name]
			if slices.ContainsFunc(records, certs.TLSA.Usable) && !slices.ContainsFunc(records, func(r certs.TLSA) bool { return r.Matches(c.chain) }) {
				out = append(out, name)
			}
		}
		return out
	}
	if names := unnamed(b.f.TLSA); len(names) > 0 {
		b.risk(RiskBreakDANE, "no TLSA record of %s names the new %s certificate: senders with DANE would not deliver. Publish its record first, and wait: 3 1 1 %s", strings.Join(names, ", "), c.Algorithm, c.PublicKey)
	}
	if names := unnamed(b.f.Doubtful); len(names) > 0 {
		b.risk(RiskUnprovedDANE, "no TLSA record of %s names the new %s certificate. If the zone is signed, which cannot be told here, senders with DANE would not deliver. Its record: 3 1 1 %s", strings.Join(names, ", "), c.Algorithm, c.PublicKey)
	}
}

// unchanged says whether the certificate is shown already.
func unchanged(c certs.Facts, now []certs.Facts) bool {
	return slices.ContainsFunc(now, func(d certs.Facts) bool { return d.Fingerprint == c.Fingerprint && d.Complete == c.Complete })
}

// isServing and servesAfter tell whether a certificate is shown at all.
func (b *builder) isServing() bool { return shows(b.f, b.f.Config) }

func (b *builder) servesAfter() bool { return shows(b.f, b.after) }

func shows(f *detect.Facts, c postfix.Config) bool { return len(named(f, c, "smtpd_tls_")) > 0 }

func (b *builder) sendingRisks() {
	level := func(c postfix.Config) string {
		return detect.ClientLevel(func(name string) string { return c.Text(nil, name) })
	}
	was, is := level(b.f.Config), level(b.after)
	switch {
	case rank(is) < rank(was):
		b.risk(RiskLowerOutbound, "mail goes out at level %s now and would at %s: what is held back now could go out unprotected", was, is)
	case rank(is) >= rank("encrypt") && rank(was) < rank("encrypt") && !b.standsStill(was):
		b.risk(RiskRequireOutbound, "level %s for every destination: mail to servers that cannot do that waits in the queue and goes back to its sender after days%s", is, b.localHops())
	}
	if b.d.CAFile == "" && b.after.Text(nil, "smtp_tls_CApath") == "" && !b.after.Bool(nil, "tls_append_default_CA") {
		b.risk(RiskNoCAFile, "no CA would be trusted: every destination is Untrusted, and none can be held to its certificate")
	}
	if len(b.f.ClientCertificates()) > 0 && b.after.Text(nil, "smtp_tls_cert_file")+b.after.Text(nil, "smtp_tls_chain_files")+b.after.Text(nil, "smtp_tls_eccert_file") == "" {
		b.risk(RiskDropClientCertificate, "this server would no longer show a certificate when it sends: a partner that requires one refuses its mail")
	}
	floor := func(c postfix.Config) postfix.Protocol {
		p, _ := postfix.ParseFloor(c.Text(nil, "smtp_tls_mandatory_protocols"), c.Version) // unreadable is unknown
		return p
	}
	if before, after := floor(b.f.Config), floor(b.after); min(rank(was), rank(is)) >= rank("encrypt") && before != "" && before.Below(after) {
		b.risk(RiskRaiseOutboundFloor, "mail at level %s goes to servers with %s and newer now, and would only to those with %s: mail to older ones waits and goes back to its sender", was, before, after)
	}
	if b.inBlock("smtp_tls_chain_files") {
		for _, t := range b.f.Transports {
			if o, own := t.Service.Override("smtp_tls_cert_file"); own && o.Value != "" {
				b.risk(RiskDropClientCertificate, "%s shows a certificate of its own (%s), which smtp_tls_chain_files in main.cf would hide: a partner that requires it refuses the mail", t.Service.ID(), o.Value)
			}
		}
	}
	for _, name := range []string{"smtpd_tls_loglevel", "smtp_tls_loglevel"} {
		if before := b.f.Config.Text(nil, name); before != "" && before != "0" && b.after.Text(nil, name) == "0" {
			b.risk(RiskNoTLSLog, "nothing about TLS would be logged any more: nobody can tell later who uses which")
		}
	}
}

// standsStill reports whether all mail is deferred at a level of main.cf, since
// every service that follows it is in wrapper mode.
func (b *builder) standsStill(level string) bool {
	refused, rest := b.f.WrapperAt(level)
	return len(refused) > 0 && len(rest) == 0
}

// localHops names transports to filters on this machine that do not say for
// themselves that they have no TLS.
func (b *builder) localHops() string {
	var out []string
	for _, name := range []string{"content_filter", "mailbox_transport", "virtual_transport"} {
		v := b.after.Text(nil, name)
		transport, hop, ok := strings.Cut(v, ":")
		if !ok || !strings.Contains(hop, "127.0.0.1") && !strings.Contains(hop, "localhost") && !strings.Contains(hop, "[::1]") {
			continue
		}
		s, found := b.after.Master.Find(transport, "unix")
		if !found || s.Program() != "smtp" {
			continue
		}
		if _, own := s.Override("smtp_tls_security_level"); !own {
			out = append(out, v)
		}
	}
	if out == nil {
		return ""
	}
	return "; " + strings.Join(out, ", ") + " has no TLS either, and all mail through it would stop"
}

// handEdits compares the block with what the last run wrote.
func (b *builder) handEdits() {
	block, had, _ := b.f.Config.Main.Block(Markers)
	if !had || b.f.Last == nil || slices.Equal(block.Lines, b.f.Last.Block) {
		return
	}
	mine := map[string]string{}
	for _, e := range maincf.Parse(strings.Join(b.f.Last.Block, "\n")).Entries() {
		mine[e.Name] = e.Value
	}
	var lost []string
	for _, e := range b.f.Config.Main.Entries() {
		if !block.In(e) || mine[e.Name] == e.Value {
			continue
		}
		// A line that says the default may go: what it says still holds.
		if b.after.Value(nil, e.Name).Raw != e.Value {
			lost = append(lost, fmt.Sprintf("line %d: %s = %s", e.Line, e.Name, e.Value))
		}
	}
	if len(lost) > 0 {
		b.risk(RiskReplaceHandEdits, "the block was edited by hand, and these lines would go: %s", strings.Join(lost, "; "))
	}
}

// notes are worth knowing and need no decision.
func (b *builder) notes() {
	if b.p.Empty() {
		return
	}
	for _, f := range b.p.Files {
		if f.Kind != ChainPEM || f.Assemble == nil {
			continue
		}
		b.p.Notes = append(b.p.Notes, fmt.Sprintf("Postfix will read %s, a copy made of %s: after replacing those, run postseal again", f.Path, strings.Join(f.Assemble.From, " and ")))
		if f.Assemble.Unproved {
			b.p.Notes = append(b.p.Notes, "the private key cannot be read by this user; that it belongs to the certificate is proved when root applies the plan")
		}
	}
	b.keyNotes()
	for _, m := range b.f.Managers {
		if m.Name == "git" {
			b.p.Notes = append(b.p.Notes, "the configuration is under git ("+m.Evidence+"): commit the change there")
		}
	}
}
