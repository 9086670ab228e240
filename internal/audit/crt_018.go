package audit

import "postseal/certs"

var crt018 = Rule{
	ID: "PS-CRT-018", Part: Certificates, Severity: Low, Since: "1.0",
	Title:  "the chain is out of order",
	Why:    "Most put it in order themselves; some, old ones among them, do not, and find the chain incomplete.",
	Level:  Should,
	Source: "RFC 5246 section 7.4.2; RFC 8446 section 4.4.2, now RFC 9846: SHOULD",
	Cure:   outside("put the leaf first, then each issuer"),
	Check:  inspected("chain", certs.Note, "another order"),
}
