package audit

import (
	"strings"

	"postseal/internal/probe"
)

var rcv007 = Rule{
	ID: "PS-RCV-007", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "suites with a SHA-1 code are offered",
	Why:    "They are only chosen by senders of before 2010, but testers fail the server for it.",
	Level:  Should,
	Source: "NCSC-NL 2025-05: insufficient",
	Cure:   answer("profile", "intermediate"),
	Check:  offers(func(s probe.Suite) bool { return strings.HasSuffix(s.Name, "_SHA") }, "SHA1"),
}
