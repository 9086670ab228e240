package audit

import "postseal/internal/lifecycle"

var cfg023 = Rule{
	ID: "PS-CFG-023", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "what postseal knows of releases is older than a year",
	Why:    "By now branches have ended and newer releases exist of which it knows nothing.",
	Level:  Should,
	Source: "postseal version --facts",
	Cure:   outside("update postseal, or put newer data into " + lifecycle.Path),
	Check: when(always, func(e *Evidence) []Hit {
		if e.Lifecycle.Stale(e.Now) {
			return []Hit{{Detail: "it is as of " + e.Lifecycle.AsOf}}
		}
		return nil
	}),
}
