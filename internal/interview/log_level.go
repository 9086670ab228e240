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
	Title:   "How much about TLS should Postfix log?",
	Why:     "One line for each connection is what every later question is answered from: who uses which TLS, and who would be cut off.",
	Help:    `0 is Postfix's default and logs nothing, so nobody can tell afterwards what happened. 2 and more is for hunting a fault, not for always.`,
	Choices: []ask.Choice[int]{
		{Value: 1, Name: "1", Help: "one line for each connection"},
		{Value: 0, Name: "0", Help: "nothing"},
		{Value: 2, Name: "2", Help: "and the steps of the handshake"},
	},
	Suggest: func(f Facts, _ *ask.Answers) ask.Suggestion[int] {
		in, _ := strconv.Atoi(f.Config.Text(nil, "smtpd_tls_loglevel"))
		out, _ := strconv.Atoi(f.Config.Text(nil, "smtp_tls_loglevel"))
		if in == 1 && out == 1 {
			return suggest(1, ask.Detected, "it is so now")
		}
		return suggest(1, ask.Default, "without it nobody can tell later who uses which TLS")
	},
	Now: func(f Facts) string {
		return fmt.Sprintf("receiving %s, sending %s", now(f, "smtpd_tls_loglevel"), now(f, "smtp_tls_loglevel"))
	},
}
