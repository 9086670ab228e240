package audit

import "postseal/internal/detect"

var cfg006 = Rule{
	ID: "PS-CFG-006", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "the session cache is of a kind that this Postfix has not",
	Why:    "Sessions are not resumed, and warnings fill the log.",
	Level:  May,
	Source: "DATABASE_README",
	Cure:   outside("take the session cache out: tickets do the same"),
	Check:  problems("", nil, detect.NoCache),
}
