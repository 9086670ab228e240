package audit

import "postseal/internal/detect"

var rcv006 = Rule{
	ID: "PS-RCV-006", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "key exchange by RSA is offered",
	Why:    "Who gets the private key later can read what was recorded earlier.",
	Level:  Must,
	Source: "RFC 9325 section 4.1: MUST NOT be negotiated unless nothing else is possible; NCSC-NL: insufficient",
	Cure:   "--profile intermediate",
	Check: listeners(func(f *Evidence, l detect.Listener) string {
		if tls(l) && !excludes(f, l, "kRSA") {
			return "does not exclude kRSA"
		}
		return ""
	}, detect.Relay),
}
