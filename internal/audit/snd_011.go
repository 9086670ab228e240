package audit

import "postseal/internal/detect"

var snd011 = Rule{
	ID: "PS-SND-011", Part: Sending, Severity: Medium, Since: "1.0",
	Title:  "suites are excluded where clear text is not",
	Why:    "A server that has nothing else gets its mail some minutes later, in clear text.",
	Level:  Should,
	Source: "RFC 9325 section 5.2; TLS_README",
	Cure:   "take smtp_tls_exclude_ciphers out of main.cf",
	Check: transports(func(f *Evidence, t detect.Transport) string {
		if (t.Level == "may" || t.Level == "dane") && f.Config.Text(&t.Service, "smtp_tls_exclude_ciphers") != "" {
			return "excludes " + f.Config.Text(&t.Service, "smtp_tls_exclude_ciphers")
		}
		return ""
	}, detect.Default),
}
