package audit

var rcv037 = Rule{
	ID: "PS-RCV-037", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "a listener of master.cf is not open",
	Why:    "Postfix runs, and nobody can connect there: mail that should come in that way does not.",
	Level:  Must,
	Source: "master(5)",
	Cure:   outside("postfix reload, and then the log of postfix/master"),
	Check: live(func(e *Evidence, l Live) string {
		if closed(l) && e.running() {
			return "refuses connections, while Postfix runs"
		}
		return ""
	}),
}
