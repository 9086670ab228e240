package audit

import (
	"postseal/internal/detect"
	"postseal/internal/postfix"
)

// configurationServicesRules are the rules about services that do not run.
var configurationServicesRules = []Rule{
	sendingServiceDies, noProgramSends, serviceDies, otherServiceDies, strayWords, programMissing,
	programsDie,
}

var sendingServiceDies = Rule{
	ID: "PS-SND-028", Part: Sending, Severity: Critical, Since: "1.0",
	Title:  "A setting terminates a service that sends",
	Why:    "No mail leaves through it.",
	Level:  Must,
	Source: "postconf(5), master(5)",
	Cure:   outside("correct or remove the setting"),
	Check:  problems(postfix.Sending, notSide, detect.Deadly),
}

var noProgramSends = Rule{
	ID: "PS-SND-040", Part: Sending, Severity: Critical, Since: "1.0",
	Title:  "No Postfix program can send with this main.cf",
	Why:    "Every service that sends terminates at startup because of what PS-CFG-040 names: no mail leaves.",
	Level:  Must,
	Source: "postconf -m; seen on Postfix 3.7: fatal at every start",
	Cure:   outside("correct the setting, or create the file or account that it names"),
	Check:  when(sends, problems("", nil, detect.NoStart).Find),
}

var serviceDies = Rule{
	ID: "PS-CFG-001", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "A setting terminates a service",
	Why:    "No mail passes through that service.",
	Level:  Must,
	Source: "postconf(5), master(5)",
	Cure:   outside("correct or remove the setting"),
	Check:  problems(postfix.Receiving, notSide, detect.Deadly),
}

var otherServiceDies = Rule{
	ID: "PS-CFG-018", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "A setting terminates a service other than smtpd and smtp",
	Why:    "Mail that passes through lmtp or tlsproxy is deferred.",
	Level:  Must,
	Source: "postconf(5), master(5)",
	Cure:   outside("correct or remove the setting"),
	Check:  problems("", func(e *Evidence, p detect.Problem) bool { return !notSide(e, p) }, detect.Deadly),
}

var strayWords = Rule{
	ID: "PS-CFG-032", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "A service in master.cf has words that are not options",
	Why:    "A blank ends the value of -o name=value, and the program terminates because of the words after it (\"unexpected command-line argument\"): the service greets no client and delivers no mail.",
	Level:  Must,
	Source: "master(5), -o { name = value }; seen on Postfix 3.7",
	Cure:   outside("put the value in braces, or write it without blanks, in master.cf"),
	Check:  problems("", nil, detect.Stray),
}

var programMissing = Rule{
	ID: "PS-CFG-033", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "The program of a service cannot be run",
	Why:    "Postfix starts, and postfix check reports nothing; but the service never answers: clients connect and wait, mail for it is deferred, and the master logs \"bad command startup -- throttling\".",
	Level:  Must,
	Source: "master(5), the command field; seen on Postfix 3.7: master_spawn: exec: No such file or directory",
	Cure:   outside("correct the command in master.cf, or install the package that provides it"),
	Check:  problems("", nil, detect.NoProgram),
}

var programsDie = Rule{
	ID: "PS-CFG-040", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "All Postfix programs terminate because of main.cf",
	Why:    "Every service and every command terminates at startup: no mail is received or sent. A Postfix that is running continues until its next reload.",
	Level:  Must,
	Source: "postconf -m; seen on Postfix 3.7: fatal at every start",
	Cure:   outside("correct the setting, or create the file or account that it names; then check that postconf -m lists map types"),
	Check:  problems("", nil, detect.NoStart),
}
