package audit

import (
	"postseal/internal/detect"
	"postseal/internal/postfix"
)

var cfg001 = Rule{
	ID: "PS-CFG-001", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "a setting makes a service die",
	Why:    "No mail passes through that service.",
	Level:  Must,
	Source: "postconf(5), master(5)",
	Cure:   outside("take it back, or correct it"),
	Check:  problems(postfix.Receiving, notSide, detect.Deadly),
}
