package audit

import "postseal/internal/detect"

var rcv002 = Rule{
	ID: "PS-RCV-002", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "other servers must use TLS",
	Why:    "Servers without TLS cannot deliver: their mail goes back to the sender.",
	Level:  Must,
	Source: "RFC 3207 section 4: a public mail exchanger MUST NOT demand it",
	Cure:   "--inbound-level may",
	Check: listeners(func(f *Evidence, l detect.Listener) string {
		if l.Level == "encrypt" && f.Exchanger(l) && f.Role != detect.Sender {
			return "demands TLS of everyone"
		}
		return ""
	}, detect.Relay),
}
