package audit

import (
	"postseal/internal/detect"
	"postseal/internal/postfix"
)

var snd010 = Rule{
	ID: "PS-SND-010", Part: Sending, Severity: Low, Since: "1.0",
	Title:  "old versions of TLS are refused where cleartext is not",
	Why:    "A server that has nothing newer gets its mail some minutes later, in cleartext.",
	Level:  May,
	Source: "RFC 9325 section 5.2: may be too strict, against RFC 8996: MUST NOT; seen: deferred, then cleartext",
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
