package audit

import (
	"postseal/internal/detect"
	"postseal/internal/posture"
	"slices"
)

var rcv016 = Rule{
	ID: "PS-RCV-016", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "a weak grade of suites is set",
	Why:    "Suites that can be broken may be chosen.",
	Level:  Should,
	Source: "postconf(5), smtpd_tls_ciphers: medium or stronger; 3.8 and later take low and export for medium",
	Cure:   outside("take smtpd_tls_ciphers or smtpd_tls_mandatory_ciphers out where it is set"),
	Check: listeners(bySuites, func(_ *Evidence, l posture.Listener) string {
		if slices.Contains([]string{"low", "export", "null"}, l.Suites.Grade) && l.Works() {
			return "uses the grade " + l.Suites.Grade
		}
		return ""
	}, detect.Relay, detect.Submission, detect.Submissions),
}
