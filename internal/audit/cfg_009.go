package audit

import (
	"strings"
)

var cfg009 = Rule{
	ID: "PS-CFG-009", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "the TLS library gets no repairs any more",
	Why:    "Faults that are found are not mended, but by the distribution, if it does so.",
	Level:  Should,
	Source: "openssl-library.org: 1.1.1 ended in September 2023",
	Cure:   "update the distribution",
	Check: when(always, func(f *Evidence) []Hit {
		if strings.HasPrefix(f.OpenSSL, "OpenSSL 1.") || strings.HasPrefix(f.OpenSSL, "OpenSSL 0.") {
			return []Hit{{Detail: "it is " + f.OpenSSL}}
		}
		return nil
	}),
}
