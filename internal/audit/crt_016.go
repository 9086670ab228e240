package audit

import "postseal/certs"

var crt016 = Rule{
	ID: "PS-CRT-016", Part: Certificates, Severity: Medium, Since: "1.0",
	Title:  "the certificate demands what Postfix cannot give",
	Why:    "It says must-staple; peers that insist on it refuse the certificate.",
	Level:  Should,
	Source: "RFC 7633",
	Cure:   order("postseal cert obtain, which does not ask for it"),
	Check:  inspected("must-staple", certs.Bad, ""),
}
