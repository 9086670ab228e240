package audit

import "postseal/internal/detect"

var cfg014 = Rule{
	ID: "PS-CFG-014", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "a setting is lost in the line before it",
	Why:    "An indented line continues the setting before it, also after comments and blank lines: what it should set is not set, and what it continues says something else.",
	Level:  Must,
	Source: "postconf(5), the general format of main.cf",
	Cure:   outside("take the blanks at the start of the line out"),
	Check:  problems("", nil, detect.Swallowed),
}
