package interview

import "postseal/internal/ask"

// receivedHeader chooses smtpd_tls_received_header.
var receivedHeader = &ask.Question[bool, Facts]{
	Key:     "received-header",
	Section: SectionReceiving,
	Title:   "Record TLS details in the Received header?",
	Why:     "Each message then shows which TLS version and suite its last hop used: useful for troubleshooting.",
	Help:    `smtpd_tls_received_header. Only the line of your own server can be trusted; a sender can fake the others.`,
	Choices: yesNo("version and suite are recorded in each message", "nothing is recorded"),
	When:    serves,
	Needs:   needsCertificate,
	Suggest: func(f Facts, a *ask.Answers) ask.Suggestion[bool] {
		switch {
		case f.Config.Bool(nil, "smtpd_tls_received_header"):
			return suggest(true, ask.Detected, "it is recorded now")
		case profile.Get(f, a) == Compatible:
			return suggest(false, ask.Default, "the profile changes as little as possible")
		}
		return suggest(true, ask.Default, "it costs nothing and helps with troubleshooting")
	},
	Now: func(f Facts) string { return now(f, "smtpd_tls_received_header") },
}
