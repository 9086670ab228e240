package audit

import (
	"postseal/internal/detect"
	"postseal/internal/postfix"
)

var rcv004 = Rule{
	ID: "PS-RCV-004", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "only TLS 1.3 is taken on port 25",
	Why:    "Senders with nothing newer than TLS 1.2 fall back to clear text or fail.",
	Level:  Must,
	Source: "RFC 9325 section 3.1.1: TLS 1.2 MUST be supported",
	Cure:   "--min-protocol TLSv1.2",
	Check: listeners(func(f *Evidence, l detect.Listener) string {
		if tls(l) && floor(f, l) == postfix.TLSv13 {
			return "refuses TLS 1.2"
		}
		return ""
	}, detect.Relay),
}
