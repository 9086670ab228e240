package audit

import (
	"postseal/internal/detect"
	"postseal/internal/posture"
)

var rcv001 = Rule{
	ID: "PS-RCV-001", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "no TLS is offered to other servers",
	Why:    "Every server delivers in clear text: whoever is on the way can read the mail.",
	Level:  Must,
	Source: "RFC 3207; NCSC-NL: STARTTLS must be offered",
	Cure:   answer("inbound-level", "may"),
	Check: listeners(byLevel, func(e *Evidence, l posture.Listener) string {
		if l.TLS.Is == posture.Never && e.Exchanger(l.At) && e.InFront() == "" {
			return "has TLS level none" + e.inFront(l)
		}
		return ""
	}, detect.Relay),
}
