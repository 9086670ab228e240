package interview

import (
	"postseal/internal/ask"
	"postseal/internal/detect"
	"postseal/internal/postfix"
)

// minProtocol chooses the floor for servers that deliver here.
var minProtocol = &ask.Question[postfix.Protocol, Facts]{
	Key:     "min-protocol",
	Section: SectionReceiving,
	Title:   "Which TLS version is the oldest that others may use here?",
	Why:     "A sender with nothing newer falls back to clear text, or its mail fails.",
	Help: `TLS 1.0 and 1.1 were deprecated in 2021 (RFC 8996), and internet.nl fails a server that offers them. The
authors of Postfix keep them for port 25: old TLS is better than none (RFC 9325 section 5.2 agrees). TLS 1.3
alone cuts off much of the world and has no place on a public mail exchanger. For users on port 587 and 465 the
floor is never below TLS 1.2 (RFC 8997).`,
	Choices: []ask.Choice[postfix.Protocol]{
		{Value: postfix.TLSv12, Name: "TLSv1.2", Help: "nearly every sender of today"},
		{Value: postfix.TLSv1, Name: "TLSv1", Help: "whatever Postfix and its OpenSSL offer"},
		{Value: postfix.TLSv11, Name: "TLSv1.1", Help: "in between; few have it and nothing newer"},
		{Value: postfix.TLSv13, Name: "TLSv1.3", Help: "cuts off much of the world; closed groups only"},
	},
	When:  serves,
	Needs: needsCertificate,
	Suggest: func(f Facts, a *ask.Answers) ask.Suggestion[postfix.Protocol] {
		floor, why, source := postfix.TLSv12, "RFC 8996 deprecates what is older, and nearly every sender of today can do it", ask.Default
		if profile.Get(f, a) == Compatible {
			floor, why = postfix.TLSv1, "the profile keeps what Postfix itself allows"
		}
		parameter := "smtpd_tls_protocols"
		if inboundLevel.Get(f, a) == "encrypt" {
			parameter = "smtpd_tls_mandatory_protocols"
		}
		if present, err := PresentFloor(f, parameter); err == nil && floor.Below(present) {
			return suggest(present, ask.Detected, "it is the floor now, and nothing is loosened unasked")
		}
		return suggest(floor, source, "%s", why)
	},
	Now: func(f Facts) string { return now(f, "smtpd_tls_protocols") },
}

// PresentFloor is the oldest version that a protocol list in main.cf leaves on.
func PresentFloor(f *detect.Facts, parameter string) (postfix.Protocol, error) {
	return postfix.ParseFloor(f.Config.Text(nil, parameter), f.Config.Version)
}
