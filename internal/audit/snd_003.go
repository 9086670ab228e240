package audit

import (
	"slices"

	"postseal/internal/detect"
)

var snd003 = Rule{
	ID: "PS-SND-003", Part: Sending, Severity: High, Since: "1.0",
	Title:  "every server must prove who it is",
	Why:    "Most mail servers cannot: mail to them is held back, and returned after days.",
	Level:  Should,
	Source: "TLS_README, verify and secure: for known destinations",
	Cure:   "--outbound-level dane",
	Check: transports(func(f *Evidence, t detect.Transport) string {
		if slices.Contains([]string{"verify", "secure", "fingerprint", "dane-only"}, t.Level) && f.Config.Text(&t.Service, "relayhost") == "" {
			return "has TLS level " + t.Level
		}
		return ""
	}, detect.Default),
}
