package audit

import (
	"postseal/internal/postfix"
)

var rcv022 = Rule{
	ID: "PS-RCV-022", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "a limit on new TLS sessions is set",
	Why:    "Busy servers fall back to clear text when they reach it.",
	Level:  May,
	Source: "postconf(5), smtpd_client_new_tls_session_rate_limit",
	Cure:   drop("smtpd_client_new_tls_session_rate_limit"),
	Check: parameter("smtpd_client_new_tls_session_rate_limit", func(f *Evidence, v postfix.Value) string {
		if v.Set && v.Text != "0" {
			return "is " + v.Text
		}
		return ""
	}),
}
