package audit

import (
	"postseal/internal/detect"
	"postseal/internal/posture"
)

var rcv042 = Rule{
	ID: "PS-RCV-042", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "client certificates of most kinds are not trusted",
	Why:    "Postfix before 3.12 takes a certificate without clientAuth, as all public CAs issue now, for untrusted: where one is required, such a client is turned away.",
	Level:  May,
	Source: "postconf(5), tls_trust_server_ccerts; seen: 421 at smtpd_tls_req_ccert",
	Cure:   outside("relay_clientcerts with fingerprints, or, if no public CA is trusted there, tls_trust_server_ccerts = yes from 3.12 on"),
	Check: listeners(byClientCertificate, func(e *Evidence, l posture.Listener) string {
		if l.ClientCertificate.Is == posture.Never || e.Config.Bool(&l.Service, "tls_trust_server_ccerts") {
			return ""
		}
		if e.Config.Text(&l.Service, "relay_clientcerts") != "" {
			return "" // fingerprints need no trust
		}
		if why, _ := e.openRelay(l.Service); why != "" {
			return "" // PS-RCV-052 has it, and trusting more of them would make it worse
		}
		return "asks for a certificate and trusts those for clients only"
	}, detect.Relay, detect.Submission, detect.Submissions),
}
