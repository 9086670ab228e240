package audit

import "postseal/internal/detect"

var rcv007 = Rule{
	ID: "PS-RCV-007", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "suites with a SHA-1 code are offered",
	Why:    "They are only chosen by senders of before 2010, but testers fail the server for it.",
	Level:  Should,
	Source: "NCSC-NL 2025-05: insufficient",
	Cure:   "--profile intermediate",
	Check: listeners(func(f *Evidence, l detect.Listener) string {
		if tls(l) && !excludes(f, l, "SHA1") {
			return "does not exclude SHA1"
		}
		return ""
	}, detect.Relay),
}
