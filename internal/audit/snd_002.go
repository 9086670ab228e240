package audit

import (
	"postseal/internal/detect"
	"postseal/internal/posture"
)

var snd002 = Rule{
	ID: "PS-SND-002", Part: Sending, Severity: High, Since: "1.0",
	Title:  "every server must have TLS",
	Why:    "Mail to servers without TLS is held back, and returned after days.",
	Level:  Should,
	Source: "TLS_README: not for the Internet at large",
	Cure:   answer("outbound-level", "may"),
	Check: routes(ofLevel, func(e *Evidence, r posture.Route) string {
		if r.Level.Is == "encrypt" && r.Hop == "" {
			return "requires TLS of every server"
		}
		return ""
	}, detect.Default),
}
