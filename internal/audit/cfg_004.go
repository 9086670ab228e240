package audit

import "postseal/internal/detect"

var cfg004 = Rule{
	ID: "PS-CFG-004", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "parameters are set that this Postfix does not know",
	Why:    "Often they are misspelt: what they should do is not done.",
	Level:  Should,
	Source: "postconf(5)",
	Cure:   outside("correct the name"),
	Check:  problems("", nil, detect.Unheard),
}
