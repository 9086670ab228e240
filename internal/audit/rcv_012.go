package audit

import (
	"postseal/internal/detect"
	"postseal/internal/postfix"
)

var rcv012 = Rule{
	ID: "PS-RCV-012", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "the suites for the certificate are excluded",
	Why:    "No handshake is possible with it: senders fall back to clear text or fail.",
	Level:  Should,
	Source: "postconf(5), smtpd_tls_exclude_ciphers",
	Cure:   "--profile intermediate",
	Check: listeners(func(f *Evidence, l detect.Listener) string {
		if !tls(l) || floor(f, l) == postfix.TLSv13 {
			return ""
		}
		for _, c := range f.ServerCertificates() {
			if c.Algorithm == "" || !excludes(f, l, "a"+c.Algorithm) && !excludes(f, l, c.Algorithm) {
				return ""
			}
		}
		if len(f.ServerCertificates()) == 0 {
			return ""
		}
		return "excludes the suites of every certificate that is set"
	}, detect.Relay, detect.Submission, detect.Submissions),
}
