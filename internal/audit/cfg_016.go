package audit

import "postseal/internal/detect"

var cfg016 = Rule{
	ID: "PS-CFG-016", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "a session cache is set for one service",
	Why:    "It has no effect: one program keeps the caches of all services, and reads main.cf.",
	Level:  May,
	Source: "tlsmgr(8)",
	Cure:   outside("take the -o out of master.cf"),
	Check:  problems("", nil, detect.NotHere),
}
