package audit

import "postseal/internal/detect"

var rcv003 = Rule{
	ID: "PS-RCV-003", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "TLS 1.0 or 1.1 is taken",
	Why:    "These versions can be broken; who has newer ones uses those, but testers fail the server for it.",
	Level:  Should,
	Source: "RFC 8996: MUST NOT be negotiated; RFC 9325 section 5.2 exempts opportunistic use",
	Cure:   answer("min-protocol", "TLSv1.2"),
	Check:  listeners(byVersions, ancient, detect.Relay),
}
