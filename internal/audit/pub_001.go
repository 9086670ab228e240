package audit

import (
	"slices"

	"postseal/internal/detect"
)

var pub001 = Rule{
	ID: "PS-PUB-001", Part: Publishing, Severity: Medium, Since: "1.0",
	Title:  "no TLSA records are published",
	Why:    "Senders with DANE have nothing to hold on to: who is on the way can take TLS out.",
	Level:  Should,
	Source: "RFC 7672; NCSC-NL: DANE must be published",
	Cure:   outside("postseal publish"),
	Check: when(func(e *Evidence) bool { return receives(e) && e.Resolver.Validates == detect.Yes }, func(f *Evidence) []Hit {
		if f.Role == detect.Sender || len(f.Needed) == 0 {
			return nil
		}
		for _, n := range f.Needed {
			if len(f.TLSA[n.Name]) > 0 || slices.Contains(f.Unproved, n.Name) {
				return nil
			}
		}
		return []Hit{{Detail: "none for " + f.Needed[0].Name}}
	}),
}
