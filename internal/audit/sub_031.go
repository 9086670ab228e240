package audit

import (
	"postseal/internal/detect"
	"postseal/internal/posture"
)

var sub031 = Rule{
	ID: "PS-SUB-031", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "TLS is not required where users send",
	Why:    "Passwords pass inside TLS only (smtpd_tls_auth_only). Mail of clients that send without one, such as those in mynetworks, can pass in cleartext.",
	Level:  Should,
	Source: "RFC 8314 section 4",
	Cure:   answer("submission", "encrypt"),
	Check: listeners(byLevel, func(e *Evidence, l posture.Listener) string {
		if passwordsInTLS(l) {
			return "offers TLS and does not require it"
		}
		return ""
	}, detect.Submission, detect.Submissions),
}

// passwordsInTLS reports whether users log in at a listener that does not require TLS, and
// can do so inside TLS only.
func passwordsInTLS(l posture.Listener) bool {
	return l.TLS.Is == posture.Offered && l.Login.Is == posture.LoginInTLS
}
