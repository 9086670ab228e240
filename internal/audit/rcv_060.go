package audit

import (
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/postfix"
)

var rcv060 = Rule{
	ID: "PS-RCV-060", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "a restriction refuses mail without TLS",
	Why:    "Servers without TLS cannot deliver: Postfix answers 450, and their mail goes back to the sender after days.",
	Level:  Must,
	Source: "RFC 3207 section 4: a public mail exchanger MUST NOT demand it; postconf(5), reject_plaintext_session",
	Cure:   outside("take reject_plaintext_session out of the restrictions for port 25"),
	Check: when(func(e *Evidence) bool { return len(e.Receives(detect.Relay)) > 0 }, func(e *Evidence) (out []Hit) {
		for _, l := range e.Receives(detect.Relay) {
			if !e.Exchanger(l) || e.Role == detect.Sender || e.privateRelay(l) {
				continue
			}
			s := detect.Behind(e.Config, l.Service)
			for _, name := range restrictions {
				v := e.Config.Value(&s, name)
				h := Hit{Detail: name + " of " + l.Service.ID() + " has " + plaintext, At: v.Origin}
				if refusesCleartext(v) && !slices.Contains(out, h) {
					out = append(out, h)
				}
			}
		}
		return out
	}),
}

// plaintext is the restriction that refuses mail without TLS (postconf(5)).
const plaintext = "reject_plaintext_session"

// refusesCleartext reports whether a list of restrictions refuses mail for a domain of
// this server if it comes without TLS. What a table permits before is not known here.
func refusesCleartext(v postfix.Value) bool {
	warned := false
	for _, word := range strings.FieldsFunc(strings.ToLower(v.Text), func(c rune) bool { return strings.ContainsRune(", \t\r\n", c) }) {
		switch {
		case word == plaintext && !warned:
			return true
		case (word == "permit" || word == "permit_auth_destination" || word == "reject" || word == "defer") && !warned:
			return false
		}
		warned = word == "warn_if_reject"
	}
	return false
}
