package audit

import (
	"slices"

	"postseal/internal/dane"
	"postseal/internal/detect"
)

var pub001 = Rule{
	ID: "PS-PUB-001", Part: Publishing, Severity: Medium, Since: "1.0",
	Title:  "no TLSA records are published",
	Why:    "Senders with DANE have nothing to hold on to: who is on the way can take TLS out.",
	Level:  Should,
	Source: "RFC 7672; NCSC-NL: DANE must be published",
	Cure:   outside("postseal publish"),
	Check: when(func(e *Evidence) bool { return receives(e) && e.Resolver.Validates == detect.Yes }, func(f *Evidence) (hits []Hit) {
		if f.Role == detect.Sender || len(f.Needed) == 0 {
			return nil
		}
		for _, d := range f.Domains {
			for _, name := range bare(d) {
				hits = append(hits, Hit{Detail: "none for " + name + ", while another server of " + d.Name + " has some"})
			}
		}
		known := slices.ContainsFunc(f.DANE, func(h dane.Host) bool { return h.State != dane.None && !h.Answered })
		if known || len(f.TLSA)+len(f.Unproved)+len(hits) > 0 {
			return hits
		}
		return []Hit{{Detail: "none for " + f.Needed[0].Name}}
	}),
}
