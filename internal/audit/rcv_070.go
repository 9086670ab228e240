package audit

import (
	"postseal/internal/detect"
	"postseal/internal/posture"
)

var rcv070 = Rule{
	ID: "PS-RCV-070", Part: Receiving, Severity: Critical, Since: "1.1",
	Title:  "no version of TLS is left that has a suite",
	Why:    "STARTTLS is offered and every handshake fails: where TLS is required no mail comes in, elsewhere senders fall back to cleartext or fail.",
	Level:  Must,
	Source: "postconf(5), smtpd_tls_protocols and smtpd_tls_exclude_ciphers; seen on Postfix 3.7: no shared cipher",
	Cure:   answer("profile", "intermediate"),
	Check: listeners(byVersions, func(e *Evidence, l posture.Listener) string {
		seen := e.seen(l)
		if len(l.Permitted) == 0 || len(l.Versions.Is) > 0 || len(l.Serves) == 0 || seen != nil {
			return ""
		}
		return "permits " + versions(l.Permitted) + ", and the suites that are left do not go with it"
	}, detect.Relay, detect.Submission, detect.Submissions),
}
