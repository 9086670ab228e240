package audit

import "postseal/internal/detect"

var cfg015 = Rule{
	ID: "PS-CFG-015", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "lines of main.cf do not count as they stand",
	Why:    "A later line takes the place of an earlier one, or a line is skipped: whoever reads the file is misled.",
	Level:  Should,
	Source: "postconf(5), the general format of main.cf",
	Cure:   outside("take out the lines that do not count"),
	Check:  problems("", nil, detect.Grammar),
}
