package audit

import (
	"strings"

	"postseal/internal/postfix"
)

var rcv020 = Rule{
	ID: "PS-RCV-020", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "the server chooses the suite",
	Why:    "With the suites of today the client knows best what is fast for it.",
	Level:  May,
	Source: "Postfix TLS_README: risky; Mozilla intermediate: off",
	Cure:   drop("tls_preempt_cipherlist"),
	Check: parameter("tls_preempt_cipherlist", func(f *Evidence, v postfix.Value) string {
		if strings.EqualFold(v.Text, "yes") {
			return "is yes"
		}
		return ""
	}),
}
