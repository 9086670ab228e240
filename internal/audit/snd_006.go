package audit

import "postseal/internal/detect"

var snd006 = Rule{
	ID: "PS-SND-006", Part: Sending, Severity: Low, Since: "1.0",
	Title:  "no CA certificates are set for sending",
	Why:    "Every server is Untrusted in the log, and no policy can ask for proof.",
	Level:  Should,
	Source: "TLS_README, client-side CA",
	Cure:   "--ca-file /etc/ssl/certs/ca-certificates.crt",
	Check: transports(func(f *Evidence, t detect.Transport) string {
		if t.Level != "none" && !f.toThisMachine(t) && f.trustsNoCA(t) {
			return "trusts no CA"
		}
		return ""
	}, detect.Default),
}
