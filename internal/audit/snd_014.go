package audit

import (
	"slices"

	"postseal/internal/postfix"
	"postseal/internal/posture"
)

var snd014 = Rule{
	ID: "PS-SND-014", Part: Sending, Severity: Medium, Since: "1.0",
	Title:  "nothing about TLS is logged for sending",
	Why:    "Nobody can tell whose mail leaves encrypted, and whose does not.",
	Level:  Should,
	Source: "postconf(5), smtp_tls_loglevel: 1 is recommended",
	Cure:   answer("log-level", "1"),
	Check: parameter("smtp_tls_loglevel", func(f *Evidence, v postfix.Value) string {
		if v.Text == "0" && slices.ContainsFunc(f.Posture().Routes, func(r posture.Route) bool { return r.Level.Is != "none" }) {
			return "is 0"
		}
		return ""
	}),
}
