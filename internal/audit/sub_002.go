package audit

import "postseal/internal/detect"

var sub002 = Rule{
	ID: "PS-SUB-002", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "passwords are taken in clear text",
	Why:    "Whoever is on the way can read them, and send as that user.",
	Level:  Must,
	Source: "RFC 4954 section 4; postconf(5), smtpd_tls_auth_only",
	Cure:   "--auth-tls-only yes",
	Check: listeners(func(f *Evidence, l detect.Listener) string {
		if l.Auth && l.Level != "encrypt" && !f.authInTLS(l) && f.InFront() == "" {
			return "offers AUTH without TLS" + f.inFront(l)
		}
		return ""
	}, detect.Relay, detect.Submission, detect.Submissions),
}
