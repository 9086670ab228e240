package audit

import "postseal/internal/detect"

var sub004 = Rule{
	ID: "PS-SUB-004", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "users may have TLS 1.0 or 1.1",
	Why:    "These versions can be broken, and no mail program of today needs them.",
	Level:  Must,
	Source: "RFC 8997: TLS 1.2 MUST be the least for users",
	Cure:   answer("submission-min-protocol", "TLSv1.2"),
	Check:  listeners(byVersions, ancient, detect.Submission, detect.Submissions),
}
