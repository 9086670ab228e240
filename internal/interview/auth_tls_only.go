package interview

import (
	"slices"

	"postseal/internal/ask"
	"postseal/internal/detect"
)

// authTLSOnly chooses smtpd_tls_auth_only.
var authTLSOnly = &ask.Question[bool, Facts]{
	Key:     "auth-tls-only",
	Section: SectionReceiving,
	Title:   "May passwords only be sent inside TLS?",
	Why:     "Without this, a mail program that is set up wrongly sends its password for anyone on the way to read.",
	Help:    `smtpd_tls_auth_only hides AUTH until TLS has started. RFC 8314 asks for it. A mail program without TLS can then no longer log in.`,
	Choices: yesNo("AUTH is offered after STARTTLS only", "AUTH is offered in clear text too"),
	Needs:   needsCertificate + ", and a service that offers AUTH",
	When: func(f Facts, a *ask.Answers) bool {
		return serves(f, a) && (role.Get(f, a) == detect.Mailserver || slices.ContainsFunc(f.Listeners, func(l detect.Listener) bool { return l.Auth }))
	},
	Suggest: func(Facts, *ask.Answers) ask.Suggestion[bool] {
		return suggest(true, ask.Default, "no mail program of today needs passwords in clear text (RFC 8314)")
	},
	Now: func(f Facts) string { return now(f, "smtpd_tls_auth_only") },
}
