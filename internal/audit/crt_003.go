package audit

import (
	"fmt"
	"time"

	"postseal/internal/detect"
)

var crt003 = Rule{
	ID: "PS-CRT-003", Part: Certificates, Severity: Medium, Since: "1.0",
	Title:  "the certificate expires soon",
	Why:    "A certificate of this lifetime should have been renewed by now. Once it has expired, senders that verify it do not deliver.",
	Level:  Should,
	Source: "RFC 5280 section 4.1.2.5",
	Cure:   outside("postseal cert renew"),
	Check: served(func(f *Evidence, c detect.Certificate) string {
		if c.NotAfter.IsZero() || f.Now.After(c.NotAfter) {
			return ""
		}
		const day = 24 * time.Hour
		left, life := c.NotAfter.Sub(f.Now), c.NotAfter.Sub(c.NotBefore)
		soon := life / 6
		if life >= 500*day { // these are renewed by hand
			soon = 7 * day
		}
		if left >= soon {
			return ""
		}
		in := fmt.Sprintf("%d days", int(left/day))
		if left < 2*day {
			in = fmt.Sprintf("%d h", int(left.Hours()))
		}
		return fmt.Sprintf("expires on %s, in %s", c.NotAfter.UTC().Format(time.DateOnly), in)
	}),
}
