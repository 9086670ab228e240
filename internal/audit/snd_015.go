package audit

import (
	"cmp"

	"postseal/internal/detect"
)

var snd015 = Rule{
	ID: "PS-SND-015", Part: Sending, Severity: High, Since: "1.0",
	Title:  "a password goes to a relay that need not prove who it is",
	Why:    "Who stands in for the relay gets the password, and all mail.",
	Level:  Must,
	Source: "RFC 4954 section 4; postconf(5), smtp_sasl_auth_enable",
	Cure:   "smtp_tls_policy_maps with secure for the relay",
	Check: transports(func(e *Evidence, t detect.Transport) string {
		relay := e.Config.Text(&t.Service, "relayhost")
		if relay == "" || !e.Config.Bool(&t.Service, "smtp_sasl_auth_enable") || proves(t.Level) {
			return ""
		}
		if e.Config.Text(&t.Service, "smtp_tls_policy_maps") != "" {
			level := e.PolicyFor(relay)
			if proves(level) || level == "" && e.PoliciesUnread {
				return ""
			}
		}
		return "logs in at " + relay + " at TLS level " + cmp.Or(e.PolicyFor(relay), t.Level)
	}, detect.Default),
}
