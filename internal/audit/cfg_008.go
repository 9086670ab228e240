package audit

import (
	"postseal/internal/postfix"
)

var cfg008 = Rule{
	ID: "PS-CFG-008", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "this Postfix gets no repairs any more",
	Why:    "Faults that are found are not mended, but by the distribution, if it does so.",
	Level:  Should,
	Source: "postfix.org announcements: the four newest branches are kept, 3.8 to 3.11 in November 2026",
	Cure:   "update the distribution",
	Check: when(always, func(f *Evidence) []Hit {
		if v := f.Config.Version; v.Known() && !v.AtLeast(postfix.V(3, 8, 0)) {
			return []Hit{{Detail: "it is Postfix " + v.String()}}
		}
		return nil
	}),
}
