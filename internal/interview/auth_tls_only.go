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
	Suggest: func(f Facts, _ *ask.Answers) ask.Suggestion[bool] {
		id := behindProxy(f, func(l detect.Listener) bool { return l.Auth })
		if id != "" && !f.Config.Bool(nil, "smtpd_tls_auth_only") {
			return suggest(false, ask.Detected, "a proxy is in front of %s: if it terminates TLS, no user could log in there", id)
		}
		return suggest(true, ask.Default, "no current mail client needs to send passwords in cleartext (RFC 8314)")
	},
	Now: func(f Facts) string { return now(f, "smtpd_tls_auth_only") },
}

// behindProxy returns a listener of those in question that does not require TLS, if all of
// these are behind a proxy that speaks the PROXY protocol: whether the proxy terminates TLS
// cannot be seen from here. It is empty otherwise.
func behindProxy(f Facts, in func(detect.Listener) bool) (id string) {
	for _, l := range f.Receives(detect.Relay, detect.Submission, detect.Submissions) {
		switch {
		case !in(l) || l.Level == "encrypt":
		case !l.Proxy:
			return ""
		case id == "":
			id = l.Service.ID()
		}
	}
	return id
}
