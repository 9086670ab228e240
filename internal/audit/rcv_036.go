package audit

var rcv036 = Rule{
	ID: "PS-RCV-036", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "a listener takes connections and never greets",
	Why:    "Mail waits at the senders, and goes back after days: the service behind that port dies, or hangs.",
	Level:  Must,
	Source: "RFC 5321 section 3.1: the server greets first",
	Cure:   outside("the log says why: postfix/smtpd ... fatal"),
	Check: live(func(e *Evidence, l Live) string {
		if mute(l) {
			return "was connected to, and said nothing"
		}
		return ""
	}),
}
