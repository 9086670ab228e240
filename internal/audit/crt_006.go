package audit

import "postseal/internal/detect"

var crt006 = Rule{
	ID: "PS-CRT-006", Part: Certificates, Severity: Medium, Since: "1.0",
	Title:  "the certificate is signed by itself",
	Why:    "Fine for most senders and for DANE; senders with MTA-STS or secure hold mail back.",
	Level:  Should,
	Source: "RFC 8461 section 4.2",
	Cure:   order("postseal cert obtain"),
	Check: served(func(f *Evidence, c detect.Certificate) string {
		if c.Err == nil && c.SelfSigned {
			return "is signed by itself"
		}
		return ""
	}),
}
