package audit

import (
	"strings"

	"postseal/internal/probe"
)

var rcv006 = Rule{
	ID: "PS-RCV-006", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "key exchange by RSA is offered",
	Why:    "Who gets the private key later can read what was recorded earlier.",
	Level:  Must,
	Source: "RFC 10015: MUST NOT be used; RFC 9325 section 4.1: SHOULD NOT; NCSC-NL: insufficient",
	Cure:   answer("profile", "intermediate"),
	Check:  offers(func(s probe.Suite) bool { return strings.HasPrefix(s.Name, "TLS_RSA_") }, "kRSA"),
}
