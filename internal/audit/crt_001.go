package audit

import (
	"postseal/internal/detect"
	"postseal/internal/posture"
)

var crt001 = Rule{
	ID: "PS-CRT-001", Part: Certificates, Severity: Critical, Since: "1.0",
	Title:  "no certificate is set",
	Why:    "STARTTLS is offered and then refused with 454: where TLS is required no mail comes in at all, elsewhere senders fall back to cleartext or fail.",
	Level:  Must,
	Source: "RFC 3207; seen: No server certs available; 530 Must issue a STARTTLS command first",
	Cure:   order("--cert FILE, or postseal cert obtain, or postseal cert self-signed"),
	Check: listeners(byLevel, func(e *Evidence, l posture.Listener) string {
		if files, _ := e.CertificateFiles(&l.Service, "smtpd_tls_"); l.Screen || l.TLS.Is == posture.Never || len(files) > 0 {
			return ""
		}
		required := l.TLS.Is == posture.Mandatory
		switch anonymous := e.Config.Text(&l.Service, "smtpd_tls_cert_file") == "none"; {
		case required && anonymous:
			return "requires TLS and has no certificate: every sender that does not accept anonymous TLS 1.2 is refused"
		case required:
			return "requires TLS and has no certificate: every sender is refused"
		case anonymous:
			return "offers TLS and has no certificate: with senders that do not accept anonymous TLS 1.2 the handshake fails"
		}
		return "offers TLS and has no certificate: STARTTLS is refused with 454, and senders fall back to cleartext or fail"
	}, detect.Relay, detect.Submission, detect.Submissions),
}
