package interview

import (
	"postseal/internal/ask"
	"postseal/internal/census"
	"postseal/internal/detect"
	"postseal/internal/postfix"
)

// minProtocol chooses the minimum version for senders.
var minProtocol = &ask.Question[postfix.Protocol, Facts]{
	Key:     "min-protocol",
	Section: SectionReceiving,
	Title:   "Minimum TLS version for incoming mail",
	Why:     "Senders that do not support it fall back to cleartext or cannot deliver.",
	Help: `TLS 1.0 and 1.1 were deprecated in 2021 (RFC 8996), and internet.nl fails a server that offers them. The
authors of Postfix keep them for port 25: old TLS is better than none (RFC 9325 section 5.2 agrees). TLS 1.3
alone cuts off many senders and has no place on a public mail exchanger. For users on ports 587 and 465 the
minimum is never below TLS 1.2 (RFC 8997).`,
	Choices: []ask.Choice[postfix.Protocol]{
		{Value: postfix.TLSv12, Name: "TLSv1.2", Help: "supported by nearly every sender"},
		{Value: postfix.TLSv1, Name: "TLSv1", Help: "the Postfix default"},
		{Value: postfix.TLSv11, Name: "TLSv1.1", Help: "few senders support it and nothing newer"},
		{Value: postfix.TLSv13, Name: "TLSv1.3", Help: "cuts off many senders; for closed groups only"},
	},
	When:     serves,
	Needs:    needsCertificate,
	Evidence: func(v postfix.Protocol, f Facts) string { return Loss(f, census.Proposal{Floor: v}) },
	Suggest: func(f Facts, a *ask.Answers) ask.Suggestion[postfix.Protocol] {
		floor, why, source := postfix.TLSv12, "RFC 8996 deprecates older versions, and nearly every sender supports it", ask.Default
		if profile.Get(f, a) == Compatible {
			floor, why = postfix.TLSv1, "the profile keeps the Postfix default"
		}
		parameter := "smtpd_tls_protocols"
		if inboundLevel.Get(f, a) == "encrypt" {
			parameter = "smtpd_tls_mandatory_protocols"
		}
		if present, err := PresentFloor(f, parameter); err == nil && floor.Below(present) {
			return suggest(present, ask.Detected, "it is the current minimum, and postseal weakens nothing unless asked")
		}
		return suggest(floor, source, "%s", why)
	},
	Now: func(f Facts) string { return now(f, "smtpd_tls_protocols") },
}

// PresentFloor returns the oldest version that a protocol list in main.cf enables.
func PresentFloor(f *detect.Facts, parameter string) (postfix.Protocol, error) {
	return postfix.ParseFloor(f.Config.Text(nil, parameter), f.Config.Version)
}
