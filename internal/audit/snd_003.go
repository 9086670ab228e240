package audit

import (
	"postseal/internal/detect"
	"postseal/internal/posture"
)

var snd003 = Rule{
	ID: "PS-SND-003", Part: Sending, Severity: High, Since: "1.0",
	Title:  "every server must prove who it is",
	Why:    "Most mail servers cannot: mail to them is held back, and returned after days.",
	Level:  Should,
	Source: "TLS_README, verify and secure: for known destinations",
	Cure:   answer("outbound-level", "dane"),
	Check: routes(ofLevel, func(e *Evidence, r posture.Route) string {
		if proves(r.Level.Is) && r.Hop == "" {
			return "has TLS level " + r.Level.Is
		}
		return ""
	}, detect.Default),
}
