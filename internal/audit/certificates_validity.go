package audit

import (
	"fmt"
	"time"

	"postseal/certs"
	"postseal/internal/detect"
)

// certificatesValidityRules are the rules about expiry and renewal.
var certificatesValidityRules = []Rule{
	expired, expiresSoon, notRenewed,
}

var expired = Rule{
	ID: "PS-CRT-002", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "The certificate has expired",
	Why:    "Senders that verify it do not deliver; others do.",
	Level:  Must,
	Source: "RFC 5280 section 4.1.2.5",
	Cure:   order("postseal cert renew, or postseal cert obtain"),
	Check: served(func(e *Evidence, c detect.Certificate) string {
		if !c.NotAfter.IsZero() && e.Now.After(c.NotAfter) {
			return "expired on " + c.NotAfter.UTC().Format(time.DateOnly)
		}
		return ""
	}),
}

var expiresSoon = Rule{
	ID: "PS-CRT-003", Part: Certificates, Severity: Medium, Since: "1.0",
	Title:  "The certificate expires soon",
	Why:    "A certificate of this lifetime should have been renewed by now. Once it has expired, senders that verify it do not deliver.",
	Level:  Should,
	Source: "RFC 5280 section 4.1.2.5",
	Cure:   outside("postseal cert renew"),
	Check: served(func(e *Evidence, c detect.Certificate) string {
		if c.NotAfter.IsZero() || e.Now.After(c.NotAfter) {
			return ""
		}
		const day = 24 * time.Hour
		left, life := c.NotAfter.Sub(e.Now), c.NotAfter.Sub(c.NotBefore)
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

var notRenewed = Rule{
	ID: "PS-CRT-013", Part: Certificates, Severity: Low, Since: "1.0",
	Title:  "No program renews the certificate",
	Why:    "It will expire, and then senders that verify it do not deliver.",
	Level:  May,
	Source: "operational experience: expired certificates are a common cause of outages",
	Cure:   order("postseal cert obtain, and enable its timer"),
	Check: served(func(e *Evidence, c detect.Certificate) string {
		if c.Owner == "" && !c.SelfSigned && c.Err == nil && c.Algorithm != "" && c.NotAfter.Sub(c.NotBefore) < certs.LongLived {
			return "is valid for " + fmt.Sprint(int(c.NotAfter.Sub(c.NotBefore).Hours()/24)) + " days, and no ACME client was found that renews it"
		}
		return ""
	}),
}
