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
	Title:   "Require TLS before users log in?",
	Why:     "Otherwise a misconfigured mail client sends its password in cleartext, where an attacker on the network path can read it.",
	Help:    `smtpd_tls_auth_only hides AUTH until TLS has started, as RFC 8314 recommends. Mail clients without TLS can then no longer log in.`,
	Choices: yesNo("AUTH is offered only after STARTTLS", "AUTH is offered in cleartext too"),
	Needs:   needsCertificate + ", and a service that offers AUTH",
	When: func(f Facts, a *ask.Answers) bool {
		return serves(f, a) && (role.Get(f, a) == detect.Mailserver || slices.ContainsFunc(f.Listeners, func(l detect.Listener) bool { return l.Auth }))
	},
	Suggest: func(Facts, *ask.Answers) ask.Suggestion[bool] {
		return suggest(true, ask.Default, "no current mail client needs to send passwords in cleartext (RFC 8314)")
	},
	Now: func(f Facts) string { return now(f, "smtpd_tls_auth_only") },
}
