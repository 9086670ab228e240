package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"postseal/certs"
	"postseal/internal/census"
	"postseal/internal/dane"
	"postseal/internal/detect"
	"postseal/internal/interview"
	"postseal/internal/postfix"
	"postseal/internal/postfix/maincf"
)

// risk adds something that must be accepted by name. The text says what happens to
// mail; a name can have several texts.
func (b *builder) risk(name, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	i := slices.IndexFunc(b.p.Risks, func(r Risk) bool { return r.Name == name })
	switch {
	case i < 0:
		b.p.Risks = append(b.p.Risks, Risk{name, text})
	case !strings.Contains(b.p.Risks[i].Text, text):
		b.p.Risks[i].Text += "; " + text
	}
}

// risks compares the server as it is with the server as it will be. A plan
// that changes nothing risks nothing.
func (b *builder) risks() {
	if b.p.Empty() {
		return
	}
	b.differ()
	b.certificateRisks()
	if b.d.Role != detect.Sender && len(b.d.Cert) > 0 {
		b.unreadChainRisk()
	}
	b.exposureRisk()
	b.sendingRisks()
	b.dropSites()
	b.handEdits()
	for _, m := range b.f.Managers {
		if m.Overwrites {
			b.risk(RiskManagedElsewhere, "%s also writes this configuration (%s) and may overwrite the change at its next run: %s", m.Name, m.Evidence, m.Advice())
		}
	}
}

// evidence says how to find the peers affected, or why that is unknown.
func (b *builder) evidence() string {
	if loss := interview.Loss(b.f, census.Proposal{Floor: b.d.MinProtocol}); loss != "" {
		return loss
	}
	if b.f.Config.Text(nil, "smtpd_tls_loglevel") == "0" {
		return "the log does not show which ones, since TLS is not logged now"
	}
	if b.f.Log.Path != "" {
		return "to list them: postseal census --floor " + string(b.d.MinProtocol)
	}
	if !b.f.Log.Journal {
		return b.f.Log.Why
	}
	return "the log lists them"
}

// certificateRisks compares the certificates that will be presented with the current
// ones.
func (b *builder) certificateRisks() {
	var now []certs.Facts
	for _, c := range b.f.ServerCertificates() {
		if c.Err == nil {
			now = append(now, c.Facts)
		}
	}
	shown := postfix.List(b.after.Text(nil, "smtpd_tls_chain_files"))
	var will []certs.Facts
	for _, path := range shown {
		if c, ok := b.served[path]; ok && c.known {
			will = append(will, c.Facts)
			if !unchanged(c.Facts, now) {
				b.daneRisk(c)
			}
		}
	}
	selfSigned := func(c certs.Facts) bool { return c.SelfSigned }
	if slices.ContainsFunc(now, func(c certs.Facts) bool { return !c.SelfSigned }) && slices.ContainsFunc(will, selfSigned) {
		b.risk(RiskSelfSigned, "the new certificate is self-signed, the current one is not: verifying senders, such as those with MTA-STS, defer their mail")
	}
	for _, c := range will {
		if unchanged(c, now) {
			continue
		}
		if !c.Complete {
			b.risk(RiskIncompleteChain, "the chain of %s lacks the certificate of its issuer (%s): verifying senders defer their mail", strings.Join(c.Names, ", "), c.Issuer)
		}
		if !slices.ContainsFunc(b.f.Needed, func(n detect.Name) bool { return c.Covers(n.Name) }) {
			b.risk(RiskWrongName, "the certificate is for %s, but this server is %s: senders that check names defer their mail", strings.Join(c.Names, ", "), strings.Join(b.f.NeededNames(), ", "))
		}
	}
}

// staleRisk checks whether a chain to be copied is renewed by another client, which
// would not know of the copy.
func (b *builder) staleRisk(c certs.Facts, from []string) {
	for _, path := range from {
		d, ok := b.f.RenewedAs(c, path)
		if !ok {
			continue
		}
		way := "use --cert with that path instead"
		if slices.ContainsFunc(from, func(p string) bool { return b.f.Leads(p, d.Chain) }) { // in another order than Postfix wants
			way = "or let its deploy hook run postseal apply --yes --accept-risk " + RiskStaleCopy
		}
		b.risk(RiskStaleCopy, "%s renews %s. Postfix would read a copy, and would present the old certificate after a renewal: %s", d.Owner, d.Chain, way)
		return
	}
}

// daneRisk notes the risks of a new chain with senders that use DANE.
func (b *builder) daneRisk(c served) {
	refused := func(published map[string][]certs.TLSA) (out []string) {
		for _, name := range slices.Sorted(maps.Keys(published)) {
			if len(published[name]) > 0 && !certs.JudgeTLSA(published[name], c.chain, b.f.MailNames(name), b.f.Now).Delivers() {
				out = append(out, name)
			}
		}
		return out
	}
	if names := refused(b.f.TLSA); len(names) > 0 {
		b.risk(RiskBreakDANE, "no TLSA record of %s authenticates the new %s certificate: senders with DANE would not deliver. Publish its record first, and wait: 3 1 1 %s", strings.Join(names, ", "), c.Algorithm, c.PublicKey)
	}
	if names := refused(b.f.Doubtful); len(names) > 0 {
		b.risk(RiskUnprovedDANE, "no TLSA record of %s authenticates the new %s certificate. If the zone is signed, which cannot be verified here, senders with DANE would not deliver. Its record: 3 1 1 %s", strings.Join(names, ", "), c.Algorithm, c.PublicKey)
	}
	for _, h := range b.f.DANE {
		b.placesRisk(c, h)
	}
	for _, name := range slices.Sorted(maps.Keys(b.f.Unanswered)) {
		b.risk(RiskUnprovedDANE, "it is unknown whether %s has TLSA records (%s). If it has, and none authenticates the new %s certificate, senders with DANE would not deliver. Its record: 3 1 1 %s", name, b.f.Unanswered[name], c.Algorithm, c.PublicKey)
	}
}

// placesRisk notes the risks of what the name servers of the zone have, and of what
// caches may still have.
func (b *builder) placesRisk(c served, h dane.Host) {
	names := b.f.MailNames(h.Base)
	if where := h.Refusals(c.chain, names, b.f.Now); len(where) > 0 && h.State != dane.Unknown && !slices.Contains(where, dane.AtResolver) {
		b.risk(RiskBreakDANE, "the TLSA records of %s at %s do not authenticate the new %s certificate: senders with DANE that get them would not deliver. Wait until all name servers have the same records", h.Base, strings.Join(where, ", "), c.Algorithm)
		return
	}
	shown := b.f.ServedChains()
	for _, p := range h.Places {
		if p.Unknown != "" && !h.Accepted(c.chain, shown, names, b.f.Now) {
			b.risk(RiskUnprovedDANE, "the TLSA records of %s at its name server %s are unknown (%s). If they do not authenticate the new %s certificate, senders with DANE that get them would not deliver", h.Base, p.Server, p.Unknown, c.Algorithm)
		}
	}
	if at, why := b.f.Cached.Safe(h, c.chain, shown, names, b.f.Now); !at.IsZero() {
		b.risk(RiskDANEGap, "the new %s certificate is safe from %s UTC on: %s. Until then senders with DANE that have the old records would not deliver", c.Algorithm, at.UTC().Format(time.DateTime), why)
	}
}

// unchanged reports whether the certificate is already presented.
func unchanged(c certs.Facts, now []certs.Facts) bool {
	return slices.ContainsFunc(now, func(d certs.Facts) bool { return d.Fingerprint == c.Fingerprint && d.Complete == c.Complete })
}

func (b *builder) sendingRisks() {
	if b.d.CAFile == "" && b.after.Text(nil, "smtp_tls_CApath") == "" && !b.after.Bool(nil, "tls_append_default_CA") {
		b.risk(RiskNoCAFile, "no CA would be trusted: every destination is logged as Untrusted, and none can be authenticated by its certificate")
	}
	if b.inBlock("smtp_tls_chain_files") {
		for _, t := range b.f.Transports {
			if o, own := t.Service.Override("smtp_tls_cert_file"); own && o.Value != "" {
				b.risk(RiskDropClientCertificate, "%s presents a certificate of its own (%s), which smtp_tls_chain_files in main.cf would override: a partner that requires it refuses the mail", t.Service.ID(), o.Value)
			}
		}
	}
	for _, name := range []string{"smtpd_tls_loglevel", "smtp_tls_loglevel"} {
		if before := b.f.Config.Text(nil, name); before != "" && before != "0" && b.after.Text(nil, name) == "0" {
			b.risk(RiskNoTLSLog, "TLS would no longer be logged: the log would not show which TLS each peer uses")
		}
	}
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
		b.risk(RiskReplaceHandEdits, "the block was edited by hand, and these lines would be removed: %s", strings.Join(lost, "; "))
	}
}

// notes adds remarks that need no decision.
func (b *builder) notes() {
	if b.p.Empty() {
		return
	}
	for _, f := range b.p.Files {
		if f.Kind != ChainPEM || f.Assemble == nil {
			continue
		}
		b.p.Notes = append(b.p.Notes, fmt.Sprintf("Postfix will read %s, a copy of %s: after you replace those, run postseal again", f.Path, strings.Join(f.Assemble.From, " and ")))
		if f.Assemble.Unproved {
			b.p.Notes = append(b.p.Notes, "this user cannot read the private key; whether it matches the certificate is checked when root applies the plan")
		}
	}
	b.keyNotes()
	for _, m := range b.f.Managers {
		if m.Name == "git" {
			b.p.Notes = append(b.p.Notes, "the configuration is under git ("+m.Evidence+"): commit the change there")
		}
	}
}
