package audit

import (
	"postseal/internal/detect"
	"postseal/internal/posture"
)

var rcv002 = Rule{
	ID: "PS-RCV-002", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "other servers must use TLS",
	Why:    "Servers without TLS cannot deliver: their mail goes back to the sender.",
	Level:  Must,
	Source: "RFC 3207 section 4: a public mail exchanger MUST NOT demand it",
	Cure:   answer("inbound-level", "may"),
	Check: listeners(byLevel, func(e *Evidence, l posture.Listener) string {
		if l.TLS.Is == posture.Mandatory && e.Exchanger(l.At) && e.Role != detect.Sender {
			return "requires TLS of every client"
		}
		return ""
	}, detect.Relay),
}
