package audit

import (
	"postseal/internal/detect"
	"postseal/internal/postfix"
)

var cfg002 = Rule{
	ID: "PS-CFG-002", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "a setting switches TLS off",
	Why:    "STARTTLS is offered and then refused, or the line is dropped: senders fall back to clear text or fail.",
	Level:  Must,
	Source: "seen: disabling TLS support",
	Cure:   outside("correct the value"),
	Check:  problems(postfix.Receiving, counts, detect.TLSOff),
}
