package audit

import (
	"fmt"

	"postseal/certs"
	"postseal/internal/detect"
)

var crt013 = Rule{
	ID: "PS-CRT-013", Part: Certificates, Severity: Low, Since: "1.0",
	Title:  "nobody renews the certificate",
	Why:    "It runs out, and then senders that check it fail.",
	Level:  May,
	Source: "the incidents of many",
	Cure:   order("postseal cert obtain, and its timer"),
	Check: served(func(f *Evidence, c detect.Certificate) string {
		if c.Owner == "" && !c.SelfSigned && c.Err == nil && c.Algorithm != "" && c.NotAfter.Sub(c.NotBefore) < certs.LongLived {
			return "lives " + fmt.Sprint(int(c.NotAfter.Sub(c.NotBefore).Hours()/24)) + " days, and no ACME client is seen to renew it"
		}
		return ""
	}),
}
