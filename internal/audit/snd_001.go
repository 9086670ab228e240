package audit

import (
	"postseal/internal/detect"
	"postseal/internal/posture"
)

var snd001 = Rule{
	ID: "PS-SND-001", Part: Sending, Severity: Critical, Since: "1.0",
	Title:  "mail is sent without TLS",
	Why:    "All mail leaves in clear text: whoever is on the way can read it.",
	Level:  Must,
	Source: "RFC 3207; postconf(5), smtp_tls_security_level",
	Cure:   answer("outbound-level", "may"),
	Check: routes(ofLevel, func(e *Evidence, r posture.Route) string {
		if r.Level.Is == "none" && forAll(r) && e.outside(r) {
			return "has TLS level none"
		}
		return ""
	}, detect.Default),
}
