package audit

import (
	"postseal/internal/detect"
	"postseal/internal/posture"
)

var rcv019 = Rule{
	ID: "PS-RCV-019", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "STARTTLS is hidden from everyone",
	Why:    "Nobody can use TLS, whatever else is set.",
	Level:  Must,
	Source: "postconf(5), smtpd_discard_ehlo_keywords",
	Cure:   outside("take starttls out of smtpd_discard_ehlo_keywords"),
	Check: listeners(byService, func(e *Evidence, l posture.Listener) string {
		if l.Hidden {
			return "takes STARTTLS out of what it offers"
		}
		return ""
	}, detect.Relay, detect.Submission),
}
