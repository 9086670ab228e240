package audit

import "postseal/internal/detect"

var cfg032 = Rule{
	ID: "PS-CFG-032", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "a service in master.cf has words that are no options",
	Why:    "A blank ends the value of -o name=value, and the program dies of the words behind it (\"unexpected command-line argument\"): the service greets no client and delivers no mail.",
	Level:  Must,
	Source: "master(5), -o { name = value }; seen on Postfix 3.7",
	Cure:   outside("put the value in braces, or write it without blanks, in master.cf"),
	Check:  problems("", nil, detect.Stray),
}
