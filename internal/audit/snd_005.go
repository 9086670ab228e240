package audit

import (
	"postseal/internal/detect"
	"postseal/internal/posture"
)

var snd005 = Rule{
	ID: "PS-SND-005", Part: Sending, Severity: Low, Since: "1.0",
	Title:  "DANE could be used, and is not",
	Why:    "The resolver validates: who publishes TLSA records would be protected, and nobody else would notice.",
	Level:  May,
	Source: "RFC 7672; NCSC-NL: recommended",
	Cure:   answer("outbound-level", "dane"),
	Check: routes(ofLevel, func(e *Evidence, r posture.Route) string {
		if r.Level.Is == "may" && r.Policy == nil && e.outside(r) && e.Resolver.Validates == detect.Yes {
			return "has TLS level may"
		}
		return ""
	}, detect.Default),
}
