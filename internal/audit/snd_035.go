package audit

import "postseal/internal/detect"

var snd035 = Rule{
	ID: "PS-SND-035", Part: Sending, Severity: Critical, Since: "1.0",
	Title:  "port 465 is used without TLS from the first byte",
	Why:    "All mail to that server is deferred: it waits for a TLS handshake, and Postfix waits for its greeting.",
	Level:  Must,
	Source: "RFC 8314 section 3.3; postconf(5), smtp_tls_wrappermode; seen: all deferred",
	Cure:   override("smtp_tls_wrappermode", "yes").or(" and TLS level encrypt there; or send to port 587"),
	Check: hops("without smtp_tls_wrappermode", func(t detect.Transport, h detect.Hop) bool {
		return h.Port == "465" && !t.Wrapper
	}),
}
