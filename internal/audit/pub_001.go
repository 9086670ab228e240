package audit

import (
	"slices"

	"postseal/internal/detect"
)

var pub001 = Rule{
	ID: "PS-PUB-001", Part: Publishing, Severity: Medium, Since: "1.0",
	Title:  "no TLSA records are published",
	Why:    "Senders with DANE have nothing to hold on to: who is on the way can take TLS out.",
	Source: "RFC 7672; NCSC-NL: DANE must be published",
	Cure:   "postseal publish",
	Find: func(f *detect.Facts) []Hit {
		if f.Role == detect.Sender || f.Resolver.Validates != detect.Yes || len(f.Needed) == 0 {
			return nil
		}
		for _, n := range f.Needed {
			if len(f.TLSA[n.Name]) > 0 || slices.Contains(f.Unproved, n.Name) {
				return nil
			}
		}
		return []Hit{{Detail: "none for " + f.Needed[0].Name}}
	},
}
