package audit

import (
	"fmt"
	"time"

	"postseal/internal/detect"
)

var crt003 = Rule{
	ID: "PS-CRT-003", Part: Certificates, Severity: Medium, Since: "1.0",
	Title:  "the certificate runs out soon",
	Why:    "If its renewal is stuck, senders that check it will fail.",
	Level:  Should,
	Source: "RFC 5280 section 4.1.2.5",
	Cure:   "postseal cert renew",
	Check: served(func(f *Evidence, c detect.Certificate) string {
		if c.NotAfter.IsZero() || f.Now.After(c.NotAfter) {
			return ""
		}
		left, life := c.NotAfter.Sub(f.Now), c.NotAfter.Sub(c.NotBefore)
		if left < life/6 && life < 500*24*time.Hour || left < 7*24*time.Hour {
			return fmt.Sprintf("ends %s, in %d days", c.NotAfter.UTC().Format(time.DateOnly), int(left.Hours()/24))
		}
		return ""
	}),
}
