package audit

import (
	"slices"

	"postseal/internal/detect"
)

var snd015 = Rule{
	ID: "PS-SND-015", Part: Sending, Severity: High, Since: "1.0",
	Title:  "a password goes to a relay that need not prove who it is",
	Why:    "Who stands in for the relay gets the password, and all mail.",
	Level:  Must,
	Source: "RFC 4954 section 4; postconf(5), smtp_sasl_auth_enable",
	Cure:   "smtp_tls_policy_maps with secure for the relay",
	Check: transports(func(f *Evidence, t detect.Transport) string {
		if f.Config.Text(&t.Service, "relayhost") != "" && f.Config.Bool(&t.Service, "smtp_sasl_auth_enable") && !slices.Contains([]string{"verify", "secure", "fingerprint", "dane-only"}, t.Level) && f.Config.Text(&t.Service, "smtp_tls_policy_maps") == "" {
			return "logs in at " + f.Config.Text(&t.Service, "relayhost") + " at TLS level " + t.Level
		}
		return ""
	}),
}
