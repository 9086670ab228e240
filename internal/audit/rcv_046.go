package audit

var rcv046 = Rule{
	ID: "PS-RCV-046", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "clients may negotiate anew within a connection",
	Why:    "Each time costs the server much and the client little: few clients can keep it busy.",
	Level:  Should,
	Source: "NCSC-NL 2025-05: off; postconf(5), tls_ssl_options",
	Cure:   "tls_ssl_options = NO_RENEGOTIATION, or an update to Postfix 3.8, which never takes it",
	Check: live(func(_ *Evidence, l Live) string {
		if l.Seen != nil && l.Seen.Anew != nil && *l.Seen.Anew {
			return "takes a second hello"
		}
		return ""
	}),
}
