package audit

import (
	"postseal/internal/detect"
	"postseal/internal/posture"
)

var rcv014 = Rule{
	ID: "PS-RCV-014", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "other servers must have a certificate",
	Why:    "Nearly no server has a client certificate: mail from the others is refused.",
	Level:  Must,
	Source: "postconf(5), smtpd_tls_req_ccert",
	Cure:   drop("smtpd_tls_req_ccert"),
	Check: listeners(byClientCertificate, func(e *Evidence, l posture.Listener) string {
		if l.ClientCertificate.Is == posture.Mandatory && !e.privateRelay(l.At) {
			return "requires a client certificate"
		}
		return ""
	}, detect.Relay),
}
