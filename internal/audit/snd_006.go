package audit

import (
	"postseal/internal/detect"
	"postseal/internal/posture"
)

var snd006 = Rule{
	ID: "PS-SND-006", Part: Sending, Severity: Low, Since: "1.0",
	Title:  "no CA certificates are set for sending",
	Why:    "Every server is Untrusted in the log, and no policy can ask for proof.",
	Level:  Should,
	Source: "TLS_README, client-side CA",
	Cure:   answer("ca-file", "/etc/ssl/certs/ca-certificates.crt"),
	Check: routes(ofRoute, func(e *Evidence, r posture.Route) string {
		if r.Level.Is != "none" && r.Level.Is != "" && e.outside(r) && len(r.Trust) == 0 {
			return "trusts no CA"
		}
		return ""
	}, detect.Default),
}
