package audit

import (
	"postseal/internal/detect"
	"postseal/internal/posture"
)

var sub002 = Rule{
	ID: "PS-SUB-002", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "passwords are taken in clear text",
	Why:    "Whoever is on the way can read them, and send as that user.",
	Level:  Must,
	Source: "RFC 4954 section 4; postconf(5), smtpd_tls_auth_only",
	Cure:   answer("auth-tls-only", "yes"),
	Check: listeners(byLogin, func(e *Evidence, l posture.Listener) string {
		if l.Login.Is == posture.LoginInClear && e.InFront() == "" {
			return "offers AUTH without TLS" + e.inFront(l)
		}
		return ""
	}, detect.Relay, detect.Submission, detect.Submissions),
}
