package audit

import "postseal/internal/detect"

var cfg018 = Rule{
	ID: "PS-CFG-018", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "a setting makes a service beside the mail exchanger die",
	Why:    "What goes through lmtp or tlsproxy is held back.",
	Level:  Must,
	Source: "postconf(5), master(5)",
	Cure:   outside("take it back, or correct it"),
	Check:  problems("", func(e *Evidence, p detect.Problem) bool { return !notSide(e, p) }, detect.Deadly),
}
