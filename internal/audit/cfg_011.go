package audit

import (
	"postseal/internal/lifecycle"
	"postseal/internal/postfix"
)

var cfg011 = Rule{
	ID: "PS-CFG-011", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "this Postfix is not the newest of its branch",
	Why:    "Fixes of this branch are missing, unless the distribution has added them.",
	Level:  Should,
	Source: "postfix.org announcements",
	Cure:   outside("apt-get upgrade, or what your distribution has"),
	Check: when(always, func(e *Evidence) []Hit {
		v := e.Config.Version
		b, known := e.Lifecycle.Find(lifecycle.Postfix, v.String())
		newest, err := postfix.ParseVersion(b.Newest)
		if !known || err != nil || v.AtLeast(newest) {
			return nil
		}
		return []Hit{{Detail: "it is Postfix " + v.String() + ", and there was " + newest.String() + " on " + e.Lifecycle.AsOf}}
	}),
}
