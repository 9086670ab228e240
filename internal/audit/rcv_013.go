package audit

import (
	"postseal/internal/detect"
	"postseal/internal/posture"
)

var rcv013 = Rule{
	ID: "PS-RCV-013", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "other servers are asked for a certificate",
	Why:    "A few senders fail when they are asked, and hardly one has a certificate to show.",
	Level:  Should,
	Source: "postconf(5), smtpd_tls_ask_ccert: SHOULD NOT without need",
	Cure:   drop("smtpd_tls_ask_ccert"),
	Check: listeners(byClientCertificate, func(e *Evidence, l posture.Listener) string {
		if l.ClientCertificate.Is == posture.Offered {
			return "asks for a client certificate"
		}
		return ""
	}, detect.Relay),
}
