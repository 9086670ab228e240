package interview

import (
	"slices"

	"postseal/internal/ask"
	"postseal/internal/detect"
)

// inboundLevel chooses smtpd_tls_security_level for port 25.
var inboundLevel = &ask.Question[string, Facts]{
	Key:     "inbound-level",
	Section: SectionReceiving,
	Title:   "TLS level for incoming mail on port 25",
	Why:     "If TLS is required, mail from servers that do not support it is refused and returns to its sender.",
	Help: `RFC 3207 section 4 forbids a public mail exchanger to require STARTTLS. On a router inside a closed group,
where every peer is known, encrypt is appropriate. Ports 587 and 465, for users, are a separate question:
TLS is always required there.`,
	Choices: []ask.Choice[string]{
		{Value: "may", Name: "may", Help: "TLS is offered but not required"},
		{Value: "encrypt", Name: "encrypt", Help: "TLS is required: mail in cleartext is refused"},
	},
	When:  serves,
	Needs: needsCertificate,
	Evidence: func(v string, f Facts) string {
		if v != "encrypt" {
			return ""
		}
		return refused(f)
	},
	Suggest: func(f Facts, _ *ask.Answers) ask.Suggestion[string] {
		if presentInboundLevel(f) == "encrypt" {
			return suggest("encrypt", ask.Detected, "it is required now, and postseal weakens nothing unless asked")
		}
		return suggest("may", ask.Default, "a public mail exchanger must accept mail without TLS (RFC 3207)")
	},
	Now: func(f Facts) string { return now(f, "smtpd_tls_security_level") },
}

// presentInboundLevel returns the effective level on port 25: encrypt if main.cf or a
// service there requires TLS.
func presentInboundLevel(f Facts) string {
	if slices.ContainsFunc(f.Receives(detect.Relay), func(l detect.Listener) bool { return l.OnPort25() && l.Level == "encrypt" }) {
		return "encrypt"
	}
	return detect.ServerLevel(func(name string) string { return f.Config.Text(nil, name) })
}
