package audit

var rcv035 = Rule{
	ID: "PS-RCV-035", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "a version of TLS is left out between others",
	Why:    "Senders whose newest version is the one left out get an older one. Others get the newest that both sides have.",
	Level:  Should,
	Source: "RFC 9325 section 3.1.1; seen on Postfix 3.7 with OpenSSL 3.0: clients of today get TLS 1.3",
	Cure:   answer("min-protocol", "TLSv1.2"),
	Check: when(receives, func(e *Evidence) []Hit {
		return holes(e, "smtpd_tls_protocols", "smtpd_tls_mandatory_protocols")
	}),
}
