package audit

import (
	"postseal/internal/detect"
	"postseal/internal/posture"
)

var sub001 = Rule{
	ID: "PS-SUB-001", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "users may send without TLS",
	Why:    "Their passwords and their mail pass in cleartext.",
	Level:  Must,
	Source: "RFC 8314 section 3: TLS MUST be used by users",
	Cure:   answer("submission", "encrypt"),
	Check: listeners(byLevel, func(e *Evidence, l posture.Listener) string {
		if l.TLS.Is != posture.Mandatory && !passwordsInTLS(l) && e.InFront() == "" { // those are PS-SUB-031's
			return "does not require TLS" + e.inFront(l)
		}
		return ""
	}, detect.Submission, detect.Submissions),
}
