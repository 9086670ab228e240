package interview

import (
	"postseal/internal/ask"
	"postseal/internal/detect"
	"postseal/internal/postfix"
)

// submissionMinProtocol chooses the minimum version for users.
var submissionMinProtocol = &ask.Question[postfix.Protocol, Facts]{
	Key:     "submission-min-protocol",
	Section: SectionReceiving,
	Title:   "Minimum TLS version for users",
	Why:     "Mail clients that do not support it can no longer send through this server; there is no fallback to cleartext.",
	Help:    `RFC 8997 requires at least TLS 1.2 where users log in. Choose TLS 1.3 only if all mail clients are known to support it.`,
	Choices: []ask.Choice[postfix.Protocol]{
		{Value: postfix.TLSv12, Name: "TLSv1.2", Help: "every mail client since about 2014"},
		{Value: postfix.TLSv13, Name: "TLSv1.3", Help: "only if all mail clients are known"},
	},
	When:  func(f Facts, a *ask.Answers) bool { return serves(f, a) && role.Get(f, a) == detect.Mailserver },
	Needs: needsCertificate + ", and --role mailserver",
	Suggest: func(f Facts, a *ask.Answers) ask.Suggestion[postfix.Protocol] {
		if present, err := PresentFloor(f, "smtpd_tls_mandatory_protocols"); err == nil && postfix.TLSv12.Below(present) {
			return suggest(present, ask.Detected, "it is the current minimum, and postseal weakens nothing unless asked")
		}
		if floor := minProtocol.Get(f, a); postfix.TLSv12.Below(floor) {
			return suggest(floor, ask.Default, "it is the minimum for other servers too")
		}
		return suggest(postfix.TLSv12, ask.Default, "RFC 8997 requires it, and every current mail client supports it")
	},
	Now: func(f Facts) string { return now(f, "smtpd_tls_mandatory_protocols") },
}
