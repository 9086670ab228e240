package audit

import (
	"strings"

	"postseal/internal/lifecycle"
)

var cfg009 = Rule{
	ID: "PS-CFG-009", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "this OpenSSL release is no longer supported",
	Why:    "Its project fixes no faults in it any more; the distribution may still do so.",
	Level:  Should,
	Source: "openssl-library.org, release strategy",
	Cure:   outside("update the distribution, or see until when it maintains this release"),
	Check: when(always, func(e *Evidence) []Hit {
		words := strings.Fields(e.OpenSSL) // "OpenSSL 3.0.19 27 Jan 2026"
		if len(words) < 2 || words[0] != lifecycle.OpenSSL {
			return nil
		}
		return unsupported(e, lifecycle.OpenSSL, words[1], lifecycle.OpenSSL+" "+words[1])
	}),
}
