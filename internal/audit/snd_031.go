package audit

import (
	"postseal/internal/detect"
	"postseal/internal/postfix"
)

var snd031 = Rule{
	ID: "PS-SND-031", Part: Sending, Severity: High, Since: "1.0",
	Title:  "DANE is set, and DNSSEC is not asked for",
	Why:    "dane protects no more than may does, and dane-only holds all mail back.",
	Level:  Must,
	Source: "postconf(5), smtp_dns_support_level; seen: dane acts as may",
	Cure:   set("smtp_dns_support_level", "dnssec", ", or --outbound-level may"),
	Check:  problems(postfix.Sending, nil, detect.NoDANE),
}
