package interview

import "postseal/internal/ask"

// Profile is how strict the settings are where the administrator does not choose.
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
	Why:     "Stricter profiles refuse old and broken TLS. Senders that support nothing better fall back to cleartext or cannot deliver.",
	Help: `Recommendations differ in these points.

TLS 1.0 and 1.1 from other servers: RFC 8996 forbids them, and internet.nl fails a server that offers them. The
authors of Postfix keep them, and RFC 9325 section 5.2 permits them for opportunistic TLS, since the alternative
is cleartext.

Suites without authentication: harmless according to Postfix, failed by internet.nl. Finite-field DH: forbidden in
TLS 1.2 by RFC 10015 and dropped by Mozilla, both in 2026; accepted by Postfix. CBC suites: phased out by NCSC-NL
in 2025, long removed from Mozilla's intermediate profile; accepted by Postfix. internet.nl fails the cipher order
of a server that has them, so that intermediate fails there and modern passes.

Cipher lists:
Mozilla rewrites them, Postfix advises against it; postseal never writes one and excludes suites by class, for
receiving only.

For sending, no profile is stricter than Postfix at level may: strictness there means cleartext.`,
	Choices: []ask.Choice[Profile]{
		{Value: Intermediate, Name: "intermediate", Help: "TLS 1.2 or later; no SHA-1, no static RSA"},
		{Value: Modern, Name: "modern", Help: "also no CBC suites and no SHA-1 signatures"},
		{Value: Compatible, Name: "compatible", Help: "what Postfix itself allows, cleaned up"},
	},
	Suggest: func(Facts, *ask.Answers) ask.Suggestion[Profile] {
		return suggest(Intermediate, ask.Default, "RFC 8996 recommends it, and nearly every sender supports it")
	},
}
