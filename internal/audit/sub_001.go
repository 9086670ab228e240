package audit

import "postseal/internal/detect"

var sub001 = Rule{
	ID: "PS-SUB-001", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "users may send without TLS",
	Why:    "Their passwords and their mail pass in cleartext.",
	Level:  Must,
	Source: "RFC 8314 section 3: TLS MUST be used by users",
	Cure:   "--submission encrypt",
	Check: listeners(func(f *Evidence, l detect.Listener) string {
		if l.Level != "encrypt" && !passwordsInTLS(f, l) && f.InFront() == "" { // those are PS-SUB-031's
			return "does not require TLS" + f.inFront(l)
		}
		return ""
	}, detect.Submission, detect.Submissions),
}
