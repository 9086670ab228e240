package audit

var rcv029 = Rule{
	ID: "PS-RCV-029", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "no extended master secret",
	Why:    "Sessions of TLS 1.2 can be mixed up by somebody in the middle of two of them.",
	Level:  Must,
	Source: "RFC 7627; NCSC-NL 2025-05: required with TLS 1.2",
	Cure:   outside("update OpenSSL to 1.1.0 or later"),
	Check: live(func(e *Evidence, l Live) string {
		if l.Seen != nil && !l.Seen.Extended && takes(l, "TLS 1.2") {
			return "does not agree to it"
		}
		return ""
	}),
}
