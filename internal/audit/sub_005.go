package audit

import (
	"postseal/internal/detect"
	"postseal/internal/posture"
)

var sub005 = Rule{
	ID: "PS-SUB-005", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "passwords are taken on port 25",
	Why:    "Guessers of passwords come there; users have ports of their own.",
	Level:  Should,
	Source: "RFC 8314 section 3.3",
	Cure:   outside("set smtpd_sasl_auth_enable for submission alone, in master.cf"),
	Check: listeners(byLogin, func(e *Evidence, l posture.Listener) string {
		if l.Login.Is != posture.NoLogin && len(e.Receives(detect.Submission, detect.Submissions)) > 0 {
			return "offers AUTH"
		}
		return ""
	}, detect.Relay),
}
