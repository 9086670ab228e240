package audit

import (
	"slices"

	"postseal/internal/detect"
)

var cfg005 = Rule{
	ID: "PS-CFG-005", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "settings are ignored since others are set",
	Why:    "Whoever reads or changes them is misled.",
	Level:  May,
	Source: "postconf(5)",
	Cure:   outside("take them out; postseal apply does so for certificate files"),
	Check: problems("", func(e *Evidence, p detect.Problem) bool {
		return !slices.ContainsFunc(e.Problems, func(o detect.Problem) bool {
			return o.Kind == detect.Obsolete && o.Parameter == p.Parameter && o.Origin == p.Origin // PS-CFG-003 has it
		})
	}, detect.Ignored),
}
