package interview

import (
	"fmt"
	"strconv"

	"postseal/internal/ask"
)

// logLevel chooses smtpd_tls_loglevel and smtp_tls_loglevel.
var logLevel = &ask.Question[int, Facts]{
	Key:     "log-level",
	Section: SectionSending,
	Title:   "TLS log level",
	Why:     "One line per connection shows which TLS senders and destinations use, and which of them a stricter setting would cut off.",
	Help:    `0 is the Postfix default and logs nothing about TLS, so that faults cannot be explained afterwards. 2 and above are for troubleshooting only.`,
	Choices: []ask.Choice[int]{
		{Value: 1, Name: "1", Help: "one line per connection"},
		{Value: 0, Name: "0", Help: "nothing"},
		{Value: 2, Name: "2", Help: "also the steps of the handshake"},
	},
	Suggest: func(f Facts, _ *ask.Answers) ask.Suggestion[int] {
		in, _ := strconv.Atoi(f.Config.Text(nil, "smtpd_tls_loglevel"))
		out, _ := strconv.Atoi(f.Config.Text(nil, "smtp_tls_loglevel"))
		if in == 1 && out == 1 {
			return suggest(1, ask.Detected, "it is the current level")
		}
		return suggest(1, ask.Default, "without it, the log does not show which TLS each peer uses")
	},
	Now: func(f Facts) string {
		return fmt.Sprintf("receiving %s, sending %s", now(f, "smtpd_tls_loglevel"), now(f, "smtp_tls_loglevel"))
	},
}
