package audit

import (
	"strings"

	"postseal/internal/postfix"
)

var snd021 = Rule{
	ID: "PS-SND-021", Part: Sending, Severity: Note, Since: "1.0",
	Title:  "an alias can stand in for the name of a server",
	Why:    "Who can forge DNS chooses the name that is compared.",
	Level:  May,
	Source: "postconf(5), smtp_cname_overrides_servername: deprecated since 3.11",
	Cure:   drop("smtp_cname_overrides_servername"),
	Check: parameter("smtp_cname_overrides_servername", func(f *Evidence, v postfix.Value) string {
		if strings.EqualFold(v.Text, "yes") {
			return "is yes"
		}
		return ""
	}),
}
