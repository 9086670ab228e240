package audit

import "postseal/internal/detect"

var cfg005 = Rule{
	ID: "PS-CFG-005", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "settings are ignored since others are set",
	Why:    "Whoever reads or changes them is misled.",
	Level:  May,
	Source: "postconf(5)",
	Cure:   "take them out",
	Check:  problems("", nil, detect.Ignored),
}
