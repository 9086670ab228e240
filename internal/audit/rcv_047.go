package audit

var rcv047 = Rule{
	ID: "PS-RCV-047", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "no secure renegotiation",
	Why:    "Somebody in the middle can put text of his own before what a client says, where a connection is negotiated anew; clients of today refuse such a server.",
	Level:  Must,
	Source: "RFC 5746; RFC 9325 section 3.5; CVE-2009-3555",
	Cure:   outside("update OpenSSL to 0.9.8m or later, or what stands before Postfix"),
	Check: live(func(_ *Evidence, l Live) string {
		if takes(l, "TLS 1.2") && !l.Seen.Secure {
			return "does not agree to it"
		}
		return ""
	}),
}
