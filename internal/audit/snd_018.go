package audit

import (
	"postseal/internal/postfix"
)

var snd018 = Rule{
	ID: "PS-SND-018", Part: Sending, Severity: Low, Since: "1.0",
	Title:  "policies are in an obsolete table",
	Why:    "It knows no verify, secure or dane.",
	Level:  Should,
	Source: "postconf(5), smtp_tls_per_site: obsolete since 2.3",
	Cure:   outside("move the entries to smtp_tls_policy_maps"),
	Check: parameter("smtp_tls_per_site", func(f *Evidence, v postfix.Value) string {
		if v.Text != "" {
			return "is set"
		}
		return ""
	}),
}
