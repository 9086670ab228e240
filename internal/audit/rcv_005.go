package audit

import "postseal/internal/probe"

var rcv005 = Rule{
	ID: "PS-RCV-005", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "anonymous suites are offered",
	Why:    "Harmless between mail servers that do not check certificates anyway, but testers fail the server for it.",
	Level:  Should,
	Source: "NCSC-NL 2025-05: insufficient; Postfix TLS_README: harmless",
	Cure:   answer("profile", "intermediate"),
	Check:  offers(func(s probe.Suite) bool { return s.Anonymous() }, "aNULL"),
}
