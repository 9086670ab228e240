package audit

import "postseal/internal/detect"

var rcv008 = Rule{
	ID: "PS-RCV-008", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "key exchange by finite fields is offered",
	Why:    "It is slow, and its groups are often too small; senders have better.",
	Level:  Should,
	Source: "NCSC-NL 2025-05: phase out; RFC 9325 section 4.1: SHOULD NOT",
	Cure:   "--profile modern",
	Check: listeners(func(f *Evidence, l detect.Listener) string {
		if tls(l) && !excludes(f, l, "kDHE") && !excludes(f, l, "DHE") && !excludes(f, l, "kEDH") {
			return "does not exclude kDHE"
		}
		return ""
	}, detect.Relay),
}
