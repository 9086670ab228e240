package audit

import "postseal/internal/probe"

var rcv046 = Rule{
	ID: "PS-RCV-046", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "clients may negotiate anew within a connection",
	Why:    "Each time costs the server much and the client little: few clients can keep it busy.",
	Level:  Should,
	Source: "NCSC-NL 2025-05: off, or limited; postconf(5), tls_ssl_options",
	Cure:   set("tls_ssl_options", "NO_RENEGOTIATION", ", or an update to Postfix 3.8, which never takes it"),
	Check:  asked(func(e *probe.Enumeration) *bool { return e.Anew }, "takes a second hello"),
}
