package audit

import (
	"postseal/internal/detect"
	"postseal/internal/postfix"
)

var snd030 = Rule{
	ID: "PS-SND-030", Part: Sending, Severity: Critical, Since: "1.0",
	Title:  "the table of policies cannot be opened",
	Why:    "All mail is held back: 4.7.5, TLS policy lookup error.",
	Level:  Must,
	Source: "postconf(5), smtp_tls_policy_maps; seen: all deferred",
	Cure:   outside("postmap the table, or take it out of main.cf"),
	Check:  problems(postfix.Sending, nil, detect.NoTable),
}
