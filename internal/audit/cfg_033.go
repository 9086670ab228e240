package audit

import "postseal/internal/detect"

var cfg033 = Rule{
	ID: "PS-CFG-033", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "the program of a service cannot be run",
	Why:    "Postfix starts, and postfix check says nothing; but the service never answers: clients connect and wait, mail for it is deferred, and the master logs \"bad command startup -- throttling\".",
	Level:  Must,
	Source: "master(5), the command field; seen on Postfix 3.7: master_spawn: exec: No such file or directory",
	Cure:   outside("correct the command in master.cf, or install the package that brings it"),
	Check:  problems("", nil, detect.NoProgram),
}
