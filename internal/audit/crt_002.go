package audit

import (
	"time"

	"postseal/internal/detect"
)

var crt002 = Rule{
	ID: "PS-CRT-002", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "the certificate has run out",
	Why:    "Senders that check it hold mail back or fail; others deliver.",
	Level:  Must,
	Source: "RFC 5280 section 4.1.2.5",
	Cure:   order("postseal cert renew, or postseal cert obtain"),
	Check: served(func(f *Evidence, c detect.Certificate) string {
		if !c.NotAfter.IsZero() && f.Now.After(c.NotAfter) {
			return "ended " + c.NotAfter.UTC().Format(time.DateOnly)
		}
		return ""
	}),
}
