package audit

import (
	"postseal/internal/detect"
	"postseal/internal/postfix"
)

var snd038 = Rule{
	ID: "PS-SND-038", Part: Sending, Severity: High, Since: "1.0",
	Title:  "Postfix does not understand an entry of the policy table",
	Why:    "All mail to that destination is deferred: 4.7.5, client TLS configuration problem. Attributes have no blanks in them: protocols=!SSLv2:!SSLv3.",
	Level:  Must,
	Source: "postconf(5), smtp_tls_policy_maps; seen on Postfix 3.7: deferred, 4.7.5",
	Cure:   outside("correct the entry, then postmap the table"),
	Check:  problems(postfix.Sending, nil, detect.BadPolicy),
}
