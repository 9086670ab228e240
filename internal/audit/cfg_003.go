package audit

import "postseal/internal/detect"

var cfg003 = Rule{
	ID: "PS-CFG-003", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "obsolete parameters are set",
	Why:    "They do nothing, or not what they seem to; whoever reads them is misled.",
	Level:  Should,
	Source: "postconf(5)",
	Cure:   suggested("postseal apply takes them out"),
	Check:  problems("", nil, detect.Obsolete),
}
