package audit

import "postseal/internal/detect"

var snd001 = Rule{
	ID: "PS-SND-001", Part: Sending, Severity: Critical, Since: "1.0",
	Title:  "mail is sent without TLS",
	Why:    "All mail leaves in clear text: whoever is on the way can read it.",
	Level:  Must,
	Source: "RFC 3207; postconf(5), smtp_tls_security_level",
	Cure:   "--outbound-level may",
	Check: transports(func(e *Evidence, t detect.Transport) string {
		if t.Level == "none" && !e.toThisMachine(t) {
			return "has TLS level none"
		}
		return ""
	}, detect.Default),
}
