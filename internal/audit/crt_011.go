package audit

import "postseal/internal/detect"

var crt011 = Rule{
	ID: "PS-CRT-011", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "the certificate is not for servers",
	Why:    "Who checks it refuses it.",
	Level:  Must,
	Source: "RFC 5280 section 4.2.1.12: serverAuth",
	Cure:   order("postseal cert obtain"),
	Check: served(func(f *Evidence, c detect.Certificate) string {
		if c.Err == nil && c.Algorithm != "" && !c.ServerUse {
			return "is not good as a server certificate"
		}
		return ""
	}),
}
