package audit

import (
	"slices"
	"strings"

	"postseal/internal/postfix"
)

var rcv016 = Rule{
	ID: "PS-RCV-016", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "a weak grade of suites is set",
	Why:    "Suites that can be broken may be chosen.",
	Level:  Should,
	Source: "postconf(5), smtpd_tls_ciphers: medium or stronger",
	Cure:   "take smtpd_tls_ciphers out of main.cf",
	Check: parameter("smtpd_tls_ciphers", func(f *Evidence, v postfix.Value) string {
		if slices.Contains([]string{"low", "export", "null"}, strings.ToLower(v.Text)) {
			return "is " + strings.ToLower(v.Text)
		}
		return ""
	}),
}
