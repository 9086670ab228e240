package audit

import "postseal/internal/rehearse"

var snd025 = Rule{
	ID: "PS-SND-025", Part: Sending, Severity: Low, Since: "1.0",
	Title:  "policies that name a server cannot be kept",
	Why:    "The public CAs are not trusted for sending: verify and secure hold mail back, for everyone.",
	Level:  Should,
	Source: "seen: secure match= to a server with a public certificate",
	Cure:   answer("ca-file", "/etc/ssl/certs/ca-certificates.crt"),
	Check: trials(func(t rehearse.Trial) bool {
		return t.Verdict == rehearse.Noted && t.Cause != nil && t.Cause.Parameter == "smtp_tls_CAfile"
	}),
}
