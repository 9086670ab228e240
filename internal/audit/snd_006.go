package audit

import "postseal/internal/detect"

var snd006 = Rule{
	ID: "PS-SND-006", Part: Sending, Severity: Medium, Since: "1.0",
	Title:  "no CA certificates are set for sending",
	Why:    "Every server is Untrusted in the log, and no policy can ask for proof.",
	Level:  Should,
	Source: "TLS_README, client-side CA",
	Cure:   "--ca-file /etc/ssl/certs/ca-certificates.crt",
	Check: transports(func(f *Evidence, t detect.Transport) string {
		if t.Level != "none" && f.Config.Text(&t.Service, "smtp_tls_CAfile") == "" && f.Config.Text(&t.Service, "smtp_tls_CApath") == "" && !f.Config.Bool(&t.Service, "tls_append_default_CA") {
			return "trusts no CA"
		}
		return ""
	}, detect.Default),
}
