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
	Title:   "Should other servers have to use TLS to deliver here?",
	Why:     "If TLS is demanded, mail from servers that cannot do it is refused and goes back to its sender.",
	Help: `RFC 3207 section 4 forbids a public mail exchanger to demand STARTTLS. On a router inside a closed group,
where every peer is known, encrypt is right. Users on port 587 and 465 are another question: there TLS is
demanded in any case.`,
	Choices: []ask.Choice[string]{
		{Value: "may", Name: "may", Help: "offered to everyone, demanded of no one"},
		{Value: "encrypt", Name: "encrypt", Help: "demanded: mail in clear text is refused"},
	},
	When:  serves,
	Needs: needsCertificate,
	Suggest: func(f Facts, _ *ask.Answers) ask.Suggestion[string] {
		if presentInboundLevel(f) == "encrypt" {
			return suggest("encrypt", ask.Detected, "it is demanded now, and nothing is loosened unasked")
		}
		return suggest("may", ask.Default, "a public mail exchanger must take mail without it (RFC 3207)")
	},
	Now: func(f Facts) string { return now(f, "smtpd_tls_security_level") },
}

// presentInboundLevel is what counts on port 25: encrypt if main.cf or a service there
// demands TLS.
func presentInboundLevel(f Facts) string {
	if slices.ContainsFunc(f.Receives(detect.Relay), func(l detect.Listener) bool { return l.OnPort25() && l.Level == "encrypt" }) {
		return "encrypt"
	}
	return detect.ServerLevel(func(name string) string { return f.Config.Text(nil, name) })
}
