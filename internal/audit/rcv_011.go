package audit

import "postseal/internal/detect"

var rcv011 = Rule{
	ID: "PS-RCV-011", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "only an ECDSA certificate is shown",
	Why:    "Some old senders take RSA only: they fall back to clear text or fail.",
	Level:  May,
	Source: "Postfix TLS_README, server-side certificates",
	Cure:   order("postseal cert obtain --key-type P256,RSA2048"),
	Check: when(receives, func(f *Evidence) []Hit {
		kinds := map[string]bool{}
		for _, c := range f.ServerCertificates() {
			if c.Err == nil && c.Algorithm != "" {
				kinds[c.Algorithm] = true
			}
		}
		if f.Role != detect.Sender && kinds["ECDSA"] && !kinds["RSA"] {
			return []Hit{{Detail: "there is no RSA certificate beside it"}}
		}
		return nil
	}),
}
