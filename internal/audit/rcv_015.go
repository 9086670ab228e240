package audit

import (
	"postseal/internal/postfix"
)

var rcv015 = Rule{
	ID: "PS-RCV-015", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "CA certificates are set for receiving without use",
	Why:    "They are only for client certificates, which are not asked for; but if the file is ever missing, TLS is off.",
	Level:  May,
	Source: "TLS_README, server-side CA; seen: a missing smtpd_tls_CAfile ends server TLS",
	Cure:   "take smtpd_tls_CAfile out of main.cf",
	Check: parameter("smtpd_tls_CAfile", func(f *Evidence, v postfix.Value) string {
		if v.Text != "" && !f.Config.Bool(nil, "smtpd_tls_ask_ccert") && !f.Config.Bool(nil, "smtpd_tls_req_ccert") {
			return "is set, and no client certificate is asked for"
		}
		return ""
	}),
}
