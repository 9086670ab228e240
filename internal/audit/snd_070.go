package audit

import (
	"postseal/internal/detect"
	"postseal/internal/posture"
)

var snd070 = Rule{
	ID: "PS-SND-070", Part: Sending, Severity: High, Since: "1.1",
	Title:  "no version of TLS is left for sending that has a suite",
	Why:    "Every handshake fails. Where TLS is required mail waits and is returned after days; at level may it is deferred, and later leaves in cleartext.",
	Level:  Must,
	Source: "postconf(5), smtp_tls_protocols and smtp_tls_exclude_ciphers; seen on Postfix 3.7: deferred",
	Cure:   drop("smtp_tls_protocols", "smtp_tls_mandatory_protocols", "smtp_tls_exclude_ciphers"),
	Check: routes(ofVersion, func(_ *Evidence, r posture.Route) string {
		if r.Level.Is == "none" || r.Level.Is == "" || len(r.Permitted) == 0 || len(r.Versions.Is) > 0 {
			return ""
		}
		return "permits " + versions(r.Permitted) + ", and the suites that are left do not go with it"
	}, detect.Default, detect.Some),
}
