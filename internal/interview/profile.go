package interview

import "postseal/internal/ask"

// Profile is how strict the settings are where the administrator says nothing.
type Profile string

// The profiles; the matrix behind them is in package plan.
const (
	Intermediate Profile = "intermediate"
	Modern       Profile = "modern"
	Compatible   Profile = "compatible"
)

// profile sets the defaults of the questions after it, and the exclusions.
var profile = &ask.Question[Profile, Facts]{
	Key:     "profile",
	Section: SectionServer,
	Title:   "How strict should this server be?",
	Why:     "Stricter settings keep out old and broken TLS. A sender that has nothing better falls back to clear text, or its mail fails.",
	Help: `Where the authorities disagree.

TLS 1.0 and 1.1 from other servers: RFC 8996 forbids them and internet.nl fails a server that offers them; the
authors of Postfix keep them, and RFC 9325 section 5.2 excuses opportunistic TLS, since the alternative is clear
text.

Suites without authentication: harmless to upstream, failed by internet.nl. Finite-field Diffie-Hellman:
forbidden in TLS 1.2 by RFC 10015 and dropped by Mozilla, both in 2026, fine to upstream. CBC suites: phased
out by NCSC-NL in 2025, long gone from Mozilla's intermediate, fine to upstream. internet.nl fails the order
of suites of a server that has them, so it fails intermediate there, and passes modern.

Cipher lists:
Mozilla rewrites them, upstream asks not to; postseal never writes one and excludes by class, for receiving
only.

For sending, no profile is stricter than Postfix at level may: strictness there means clear text.`,
	Choices: []ask.Choice[Profile]{
		{Value: Intermediate, Name: "intermediate", Help: "TLS 1.2 and newer; no SHA-1, no static RSA"},
		{Value: Modern, Name: "modern", Help: "and no CBC suites, no SHA-1 signatures at all"},
		{Value: Compatible, Name: "compatible", Help: "what Postfix itself allows, tidied up"},
	},
	Suggest: func(Facts, *ask.Answers) ask.Suggestion[Profile] {
		return suggest(Intermediate, ask.Default, "RFC 8996 asks for it, and nearly every sender of today can do it")
	},
}
