package audit

import (
	"postseal/internal/detect"
	"postseal/internal/postfix"
)

var snd028 = Rule{
	ID: "PS-SND-028", Part: Sending, Severity: Critical, Since: "1.0",
	Title:  "a setting makes a service that sends die",
	Why:    "No mail leaves through it.",
	Level:  Must,
	Source: "postconf(5), master(5)",
	Cure:   outside("take it back, or correct it"),
	Check:  problems(postfix.Sending, notSide, detect.Deadly),
}
