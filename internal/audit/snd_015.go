package audit

import (
	"postseal/internal/detect"
	"postseal/internal/posture"
)

var snd015 = Rule{
	ID: "PS-SND-015", Part: Sending, Severity: High, Since: "1.0",
	Title:  "a password goes to a relay that need not prove who it is",
	Why:    "Whoever stands in for the relay gets the password, and all mail.",
	Level:  Must,
	Source: "RFC 4954 section 4; postconf(5), smtp_sasl_auth_enable",
	Cure:   outside("smtp_tls_policy_maps with secure for the relay"),
	Check: routes(ofLevel, func(e *Evidence, r posture.Route) string {
		if r.Hop == "" || r.Level.Is == "" || !e.Config.Bool(&r.Service, "smtp_sasl_auth_enable") || proves(r.Level.Is) {
			return ""
		}
		return "logs in at TLS level " + r.Level.Is
	}, detect.Default),
}
