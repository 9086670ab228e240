package audit

import (
	"postseal/internal/postfix"
)

var rcv009 = Rule{
	ID: "PS-RCV-009", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "nothing about TLS is logged for receiving",
	Why:    "Nobody can tell who uses what, whose handshakes fail, and who would be cut off by a stricter setting.",
	Level:  Should,
	Source: "postconf(5), smtpd_tls_loglevel: 1 is recommended",
	Cure:   answer("log-level", "1"),
	Check: parameter("smtpd_tls_loglevel", func(f *Evidence, v postfix.Value) string {
		if v.Text == "0" && f.servesTLS() {
			return "is 0"
		}
		return ""
	}),
}
