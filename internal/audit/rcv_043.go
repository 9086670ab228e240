package audit

import (
	"postseal/internal/detect"
	"postseal/internal/posture"
)

var rcv043 = Rule{
	ID: "PS-RCV-043", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "a listener beside port 25 offers no TLS",
	Why:    "What is delivered there comes in clear text.",
	Level:  Should,
	Source: "RFC 3207",
	Cure:   override("smtpd_tls_security_level", "may"),
	Check: listeners(byLevel, func(e *Evidence, l posture.Listener) string {
		if l.TLS.Is == posture.Never && !e.Exchanger(l.At) {
			return "has TLS level none"
		}
		return ""
	}, detect.Relay),
}
