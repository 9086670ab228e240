package interview

import (
	"postseal/internal/ask"
	"postseal/internal/detect"
	"postseal/internal/postfix"
)

// submissionMinProtocol chooses the floor for users.
var submissionMinProtocol = &ask.Question[postfix.Protocol, Facts]{
	Key:     "submission-min-protocol",
	Section: SectionReceiving,
	Title:   "Which TLS version is the oldest that users may have?",
	Why:     "A mail program with nothing newer can no longer send through this server; there is no falling back to clear text.",
	Help:    `RFC 8997 asks for TLS 1.2 at the least where users log in. TLS 1.3 alone suits a group whose mail programs are all known to have it.`,
	Choices: []ask.Choice[postfix.Protocol]{
		{Value: postfix.TLSv12, Name: "TLSv1.2", Help: "every mail program since about 2014"},
		{Value: postfix.TLSv13, Name: "TLSv1.3", Help: "only if all mail programs are known"},
	},
	When:  func(f Facts, a *ask.Answers) bool { return serves(f, a) && role.Get(f, a) == detect.Mailserver },
	Needs: needsCertificate + ", and --role mailserver",
	Suggest: func(f Facts, a *ask.Answers) ask.Suggestion[postfix.Protocol] {
		if present, err := PresentFloor(f, "smtpd_tls_mandatory_protocols"); err == nil && postfix.TLSv12.Below(present) {
			return suggest(present, ask.Detected, "it is the floor now, and nothing is loosened unasked")
		}
		if floor := minProtocol.Get(f, a); postfix.TLSv12.Below(floor) {
			return suggest(floor, ask.Default, "it is the floor for other servers too")
		}
		return suggest(postfix.TLSv12, ask.Default, "RFC 8997 asks for it, and every mail program of today can do it")
	},
	Now: func(f Facts) string { return now(f, "smtpd_tls_mandatory_protocols") },
}
