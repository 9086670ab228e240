package audit

import "postseal/internal/detect"

var crt007 = Rule{
	ID: "PS-CRT-007", Part: Certificates, Severity: Critical, Since: "1.0",
	Title:  "the key is that of another certificate",
	Why:    "STARTTLS is refused with 454: senders fall back to clear text or fail.",
	Level:  Must,
	Source: "seen: does not match; disabling TLS support",
	Cure:   answer("key", "FILE", ", the key that was made for this certificate"),
	Check: served(func(f *Evidence, c detect.Certificate) string {
		if c.KeyMatch == detect.No {
			return "and " + c.Key + " do not belong together"
		}
		return ""
	}),
}
