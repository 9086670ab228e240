package audit

import (
	"strings"

	"postseal/internal/postfix"
)

var rcv010 = Rule{
	ID: "PS-RCV-010", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "the Received header does not say how mail came in",
	Why:    "Whoever looks at a message cannot see whether it came in TLS.",
	Level:  May,
	Source: "postconf(5), smtpd_tls_received_header",
	Cure:   answer("received-header", "yes"),
	Check: parameter("smtpd_tls_received_header", func(f *Evidence, v postfix.Value) string {
		if !strings.EqualFold(v.Text, "yes") && f.servesTLS() {
			return "is not yes"
		}
		return ""
	}),
}
