package audit

import (
	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/posture"
)

var rcv004 = Rule{
	ID: "PS-RCV-004", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "only TLS 1.3 is taken from other servers",
	Why:    "Senders with nothing newer than TLS 1.2 fall back to clear text or fail.",
	Level:  Must,
	Source: "RFC 9325 section 3.1.1: TLS 1.2 MUST be supported",
	Cure:   answer("min-protocol", "TLSv1.2"),
	Check: listeners(byVersions, func(e *Evidence, l posture.Listener) string {
		switch seen := e.seen(l); {
		case seen == nil:
		case takes(*seen, "TLS 1.2"):
			return ""
		case seen.whole() && takes(*seen, "TLS 1.3") && len(seen.Seen.Versions) == 1:
			return "accepts TLS 1.3 alone"
		case seen.whole():
			return ""
		}
		if l.Works() && len(l.Permitted) == 1 && l.Floor() == postfix.TLSv13 {
			return "refuses TLS 1.2"
		}
		return ""
	}, detect.Relay),
}
