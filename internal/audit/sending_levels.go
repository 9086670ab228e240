package audit

import (
	"cmp"
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/postfix/mastercf"
	"postseal/internal/posture"
	"postseal/internal/rehearse"
)

// sendingLevelsRules are the rules about the TLS levels at which mail leaves.
var sendingLevelsRules = []Rule{
	noOutboundTLS, outboundTLSRequired, outboundAuthentication, localTLSRequired, weakerTransport,
	rehearsalFails, stripping, transportWithoutTLS, mailboxTLSRequired,
}

// outboundLevels are the parameters by which a service sets its own TLS level.
var outboundLevels = []string{"smtp_tls_security_level", "smtp_use_tls", "smtp_enforce_tls"}

var noOutboundTLS = Rule{
	ID: "PS-SND-001", Part: Sending, Severity: Critical, Since: "1.0",
	Title:  "Mail is sent without TLS",
	Why:    "All mail leaves in cleartext: an attacker on the network path can read and change it.",
	Level:  Must,
	Source: "RFC 3207; postconf(5), smtp_tls_security_level",
	Cure:   answer("outbound-level", "may").leaving(outboundLevels...),
	Check: routes(ofLevel, func(e *Evidence, r posture.Route) string {
		if r.Level.Is == "none" && forAll(r) && e.outside(r) {
			return "has TLS level none"
		}
		return ""
	}, detect.Default),
}

var outboundTLSRequired = Rule{
	ID: "PS-SND-002", Part: Sending, Severity: High, Since: "1.0",
	Title:  "TLS is required of every destination",
	Why:    "Mail to servers without TLS is deferred and returned after days.",
	Level:  Should,
	Source: "TLS_README: not for the Internet at large",
	Cure:   answer("outbound-level", "may").leaving(outboundLevels...),
	Check: routes(ofLevel, func(e *Evidence, r posture.Route) string {
		if r.Level.Is == "encrypt" && r.Hop == "" {
			return "requires TLS of every server"
		}
		return ""
	}, detect.Default),
}

var outboundAuthentication = Rule{
	ID: "PS-SND-003", Part: Sending, Severity: High, Since: "1.0",
	Title:  "Every destination must authenticate itself",
	Why:    "Most mail servers cannot: mail to them is deferred and returned after days.",
	Level:  Should,
	Source: "TLS_README, verify and secure: for known destinations",
	Cure:   answer("outbound-level", "dane").leaving(outboundLevels...),
	Check: routes(ofLevel, func(e *Evidence, r posture.Route) string {
		if proves(r.Level.Is) && r.Hop == "" {
			return "has TLS level " + r.Level.Is
		}
		return ""
	}, detect.Default),
}

var localTLSRequired = Rule{
	ID: "PS-SND-020", Part: Sending, Severity: High, Since: "1.0",
	Title:  "TLS is required of a filter or mailbox on this machine",
	Why:    "The global level applies to it too; most have no TLS, and mail to them is deferred.",
	Level:  Should,
	Source: "TLS_README, global settings",
	Cure:   override("smtp_tls_security_level", "none"),
	Check: when(sends, func(e *Evidence) (out []Hit) {
		for _, r := range e.Posture().Routes {
			if r.Dead != "" || r.Records || !demands(cmp.Or(r.Level.Is, "none")) {
				continue
			}
			switch h := (Hit{At: e.place(r.Level.Origin, r.Service), service: r.Service.ID()}); {
			case r.Use == detect.Inside:
				h.Detail = r.ID() + " hands mail to a program here at TLS level " + r.Level.Is
				out = append(out, h)
			case r.Use == detect.Default && r.Local() && filters(r.From):
				h.Detail = r.From + " goes through " + r.ID() + " at TLS level " + r.Level.Is
				out = append(out, h)
			}
		}
		return out
	}),
}

// filters reports whether a parameter hands mail to a filter.
func filters(parameter string) bool {
	return parameter == "content_filter" || strings.HasSuffix(parameter, "_checks") || strings.HasSuffix(parameter, "_restrictions")
}

var weakerTransport = Rule{
	ID: "PS-SND-022", Part: Sending, Severity: Low, Since: "1.0",
	Title:  "A transport has a weaker TLS level than main.cf",
	Why:    "Mail that uses it is less protected than main.cf says.",
	Level:  May,
	Source: "master(5), -o",
	Cure:   outside("correct or remove the override in master.cf"),
	Check: when(func(e *Evidence) bool { return len(e.Senders(detect.Default, detect.Some)) > 0 }, func(e *Evidence) (out []Hit) {
		main := detect.ClientLevel(func(n string) string { return e.Config.Text(nil, n) })
		for _, r := range e.Posture().Routes {
			own := r.Level.Origin.Service != "" && r.Dead == "" && r.Use != detect.Inside
			if !own || r.Level.Is == "none" || !weaker(r.Level.Is, main) { // none is a finding of its own
				continue
			}
			h := Hit{Detail: r.Service.ID() + " sends at TLS level " + r.Level.Is + "; main.cf says " + main, At: r.Level.Origin, service: r.Service.ID()}
			if !slices.Contains(out, h) { // its next hops have the same cause
				out = append(out, h)
			}
		}
		return out
	}),
}

// weaker reports whether one TLS level protects all mail less than another does. dane
// and encrypt are not ranked: one verifies the servers with TLSA records and lets the
// others have cleartext, the other requires TLS of all and verifies none.
func weaker(level, than string) bool {
	return slices.Contains(map[string][]string{
		"may":         {"none"},
		"encrypt":     {"none", "may"},
		"dane":        {"none", "may"},
		"dane-only":   {"none", "may", "encrypt", "dane"},
		"fingerprint": {"none", "may", "encrypt", "dane"},
		"verify":      {"none", "may", "encrypt", "dane"},
		"secure":      {"none", "may", "encrypt", "dane", "verify"},
	}[than], level)
}

var rehearsalFails = Rule{
	ID: "PS-SND-023", Part: Sending, Severity: Critical, Since: "1.0",
	Title:  "Mail does not leave as it should",
	Why:    "A private copy of this server sent mail to servers of known behaviour: mail that should arrive does not, or mail that should be held leaves.",
	Level:  Must,
	Source: "what the rehearsal found",
	Cure:   outside("find the cause with postseal rehearse --current"),
	Check:  trials(func(t rehearse.Trial) bool { return t.Verdict == rehearse.Failed }),
}

var stripping = Rule{
	ID: "PS-SND-024", Part: Sending, Severity: Note, Since: "1.0",
	Title:  "An attacker on the network path can force cleartext",
	Why:    "At level may, a server without TLS cannot be told from one whose STARTTLS was stripped. TLSA records protect the destinations that publish them; a policy can protect others.",
	Level:  May,
	Source: "RFC 7435; seen: STARTTLS stripped, then cleartext",
	Cure:   answer("outbound-level", "dane", ", or smtp_tls_policy_maps for important destinations"),
	Check: when(encrypts, trials(func(t rehearse.Trial) bool {
		return t.Verdict == rehearse.Noted && (t.Outcome == rehearse.InClear || t.Clear != "")
	}).Find),
}

// encrypts reports whether any mail of the rehearsal was encrypted: where none was,
// there is no STARTTLS to strip.
func encrypts(e *Evidence) bool {
	return e.Sent != nil && slices.ContainsFunc(e.Sent.Trials, func(t rehearse.Trial) bool {
		return t.Outcome == rehearse.Encrypted || t.Outcome == rehearse.Verified
	})
}

var transportWithoutTLS = Rule{
	ID: "PS-SND-027", Part: Sending, Severity: Low, Since: "1.0",
	Title:  "Some mail is sent without TLS",
	Why:    "A transport or a destination has no TLS: mail that is routed there leaves in cleartext.",
	Level:  Should,
	Source: "RFC 3207; master(5), -o",
	Cure:   outside("correct or remove the override in master.cf"),
	Check: transports(func(e *Evidence, t detect.Transport) string {
		if t.Level != "none" || !levelOfItsOwn(t) && slices.ContainsFunc(e.Senders(detect.Default), func(d detect.Transport) bool {
			return d.Level == "none" && !levelOfItsOwn(d)
		}) {
			return "" // PS-SND-001 has what main.cf says
		}
		return "has TLS level none"
	}, detect.Some),
}

// levelOfItsOwn reports whether a service sets its own TLS level.
func levelOfItsOwn(t detect.Transport) bool {
	return slices.ContainsFunc(t.Service.Options, func(o mastercf.Option) bool {
		return slices.Contains(outboundLevels, o.Name)
	})
}

var mailboxTLSRequired = Rule{
	ID: "PS-SND-033", Part: Sending, Severity: High, Since: "1.0",
	Title:  "TLS is required of mailboxes",
	Why:    "lmtp requires TLS; most mailbox servers on the same machine have none, and mail to them is deferred.",
	Level:  Should,
	Source: "postconf(5), lmtp_tls_security_level; seen: 4.7.4 over a UNIX socket too",
	Cure:   drop("lmtp_tls_security_level"),
	Check: when(func(e *Evidence) bool { return len(lmtps(e)) > 0 }, func(e *Evidence) (out []Hit) {
		for _, s := range lmtps(e) {
			if v := e.Config.Value(&s, "lmtp_tls_security_level"); v.Text != "" && demands(strings.ToLower(v.Text)) {
				out = append(out, Hit{Detail: s.ID() + " has TLS level " + v.Text, At: v.Origin})
			}
		}
		return out
	}),
}
