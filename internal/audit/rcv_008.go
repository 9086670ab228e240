package audit

import (
	"strings"

	"postseal/internal/probe"
)

var rcv008 = Rule{
	ID: "PS-RCV-008", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "key exchange by finite fields is offered",
	Why:    "It is slow, and its groups are often too small; senders have better.",
	Level:  Must,
	Source: "RFC 10015: MUST NOT be used; NCSC-NL 2025-05: phase out",
	Cure:   answer("profile", "intermediate"),
	Check: offers(func(s probe.Suite) bool {
		return strings.HasPrefix(s.Name, "TLS_DHE_") || strings.HasPrefix(s.Name, "TLS_DH_anon_")
	}, "kDHE"),
}
