package audit

import (
	"slices"
)

var crt001 = Rule{
	ID: "PS-CRT-001", Part: Certificates, Severity: Critical, Since: "1.0",
	Title:  "no certificate is set",
	Why:    "STARTTLS is offered and then refused with 454: senders fall back to clear text or fail.",
	Level:  Must,
	Source: "RFC 3207; seen: No server certs available",
	Cure:   "--cert FILE, or postseal cert obtain",
	Check: when(receives, func(f *Evidence) []Hit {
		if len(f.ServerCertificates()) == 0 && slices.ContainsFunc(f.receivers(), tls) {
			return []Hit{{Detail: "TLS is on, and there is no certificate"}}
		}
		return nil
	}),
}
