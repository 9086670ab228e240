package audit

var rcv032 = Rule{
	ID: "PS-RCV-032", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "the version before TLS is taken",
	Why:    "What is encrypted can be read byte by byte (POODLE), and everybody has had TLS for twenty years.",
	Level:  Must,
	Source: "RFC 7568",
	Cure:   answer("min-protocol", "TLSv1.2"),
	Check: live(func(e *Evidence, l Live) string {
		if takes(l, "SSL 3.0") {
			return "agrees to it"
		}
		return ""
	}),
}
