package audit

import (
	"postseal/internal/detect"
	"postseal/internal/postfix"
)

var snd010 = Rule{
	ID: "PS-SND-010", Part: Sending, Severity: Medium, Since: "1.0",
	Title:  "old versions of TLS are refused where clear text is not",
	Why:    "A server that has TLS 1.0 alone gets its mail some minutes later, in clear text.",
	Level:  Should,
	Source: "RFC 9325 section 5.2; seen: deferred, then clear text",
	Cure:   "take smtp_tls_protocols out of main.cf",
	Check: transports(func(f *Evidence, t detect.Transport) string {
		if t.Level != "may" && t.Level != "dane" {
			return ""
		}
		p, err := postfix.ParseFloor(f.Config.Text(&t.Service, "smtp_tls_protocols"), f.Config.Version)
		if err == nil && !p.Below(postfix.TLSv12) {
			return "refuses what is older than " + string(p)
		}
		return ""
	}, detect.Default),
}
