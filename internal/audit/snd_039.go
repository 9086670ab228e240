package audit

import (
	"postseal/internal/detect"
	"postseal/internal/postfix"
)

var snd039 = Rule{
	ID: "PS-SND-039", Part: Sending, Severity: High, Since: "1.0",
	Title:  "the service with the TLS policies does not answer",
	Why:    "As long as that is so, all mail is deferred: 4.7.5, client TLS configuration problem.",
	Level:  Must,
	Source: "socketmap_table(5), tcp_table(5); seen on Postfix 3.7: all mail deferred",
	Cure:   outside("start the service and look at its log, or take it out of smtp_tls_policy_maps"),
	Check:  problems(postfix.Sending, nil, detect.NoAnswer),
}
