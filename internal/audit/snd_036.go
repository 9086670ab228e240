package audit

import "postseal/internal/detect"

var snd036 = Rule{
	ID: "PS-SND-036", Part: Sending, Severity: Critical, Since: "1.0",
	Title:  "TLS from the first byte is used on a port for STARTTLS",
	Why:    "All mail to that server is deferred: it sends its greeting in cleartext where Postfix expects a TLS handshake.",
	Level:  Must,
	Source: "RFC 8314 section 3.3; postconf(5), smtp_tls_wrappermode; seen: all deferred",
	Cure:   override("smtp_tls_wrappermode", "no").or(", or send to port 465"),
	Check: hops("with smtp_tls_wrappermode", func(t detect.Transport, h detect.Hop) bool {
		return (h.Port == "25" || h.Port == "587") && t.Wrapper
	}),
}
