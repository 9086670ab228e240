package interview

import "postseal/internal/ask"

// receivedHeader chooses smtpd_tls_received_header.
var receivedHeader = &ask.Question[bool, Facts]{
	Key:     "received-header",
	Section: SectionReceiving,
	Title:   "Should the Received header say how mail came in?",
	Why:     "Each message then shows in its header which TLS version and suite the last hop used: good for finding faults.",
	Help:    `smtpd_tls_received_header. Only the line of your own server can be trusted; whoever sent the message can have written the others.`,
	Choices: yesNo("version and suite are noted in each message", "nothing is noted"),
	When:    serves,
	Needs:   needsCertificate,
	Suggest: func(f Facts, a *ask.Answers) ask.Suggestion[bool] {
		switch {
		case f.Config.Bool(nil, "smtpd_tls_received_header"):
			return suggest(true, ask.Detected, "it is noted now")
		case profile.Get(f, a) == Compatible:
			return suggest(false, ask.Default, "the profile changes as little as it can")
		}
		return suggest(true, ask.Default, "it costs nothing and helps to find faults")
	},
	Now: func(f Facts) string { return now(f, "smtpd_tls_received_header") },
}
