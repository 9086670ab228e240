package audit

import (
	"postseal/internal/detect"
	"postseal/internal/postfix"
)

var sub004 = Rule{
	ID: "PS-SUB-004", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "users may have TLS 1.0 or 1.1",
	Why:    "These versions can be broken, and no mail program of today needs them.",
	Level:  Must,
	Source: "RFC 8997: TLS 1.2 MUST be the least for users",
	Cure:   "--submission-min-protocol TLSv1.2",
	Check: listeners(func(f *Evidence, l detect.Listener) string {
		p := floor(f, l)
		if tls(l) && p != "" && p.Below(postfix.TLSv12) {
			return "takes " + string(p) + " and newer"
		}
		return ""
	}, detect.Submission, detect.Submissions),
}
