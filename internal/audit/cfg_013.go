package audit

import "postseal/internal/detect"

var cfg013 = Rule{
	ID: "PS-CFG-013", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "a comment or nonsense is in a value",
	Why:    "main.cf has comments on lines of their own only: what stands after # is part of the value, which then says something else.",
	Level:  Must,
	Source: "postconf(5), the general format of main.cf",
	Cure:   outside("put the comment on a line of its own"),
	Check: when(always, func(e *Evidence) []Hit {
		idle := func(e *Evidence, p detect.Problem) bool { return !counts(e, p) }
		return append(problems("", nil, detect.Comment).Find(e), problems("", idle, detect.TLSOff).Find(e)...)
	}),
}
