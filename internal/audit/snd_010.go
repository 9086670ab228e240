package audit

import (
	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/posture"
)

var snd010 = Rule{
	ID: "PS-SND-010", Part: Sending, Severity: Low, Since: "1.0",
	Title:  "old versions of TLS are refused where cleartext is not",
	Why:    "A server that has nothing newer gets its mail some minutes later, in cleartext.",
	Level:  May,
	Source: "RFC 9325 section 5.2: may be too strict, against RFC 8996: MUST NOT; seen: deferred, then cleartext",
	Cure:   drop("smtp_tls_protocols"),
	Check: routes(ofVersion, func(e *Evidence, r posture.Route) string {
		if r.Level.Is != "may" && r.Level.Is != "dane" || len(r.Versions.Is) == 0 || r.Floor().Below(postfix.TLSv12) {
			return ""
		}
		return "refuses what is older than " + string(r.Floor())
	}, detect.Default),
}
