package audit

import (
	"strings"

	"postseal/internal/postfix"
)

var snd019 = Rule{
	ID: "PS-SND-019", Part: Sending, Severity: Medium, Since: "1.0",
	Title:  "fingerprints are compared by MD5",
	Why:    "A certificate with the same MD5 can be made.",
	Level:  Should,
	Source: "postconf(5), smtp_tls_fingerprint_digest",
	Cure:   "smtp_tls_fingerprint_digest = sha256, and new fingerprints in the tables",
	Check: parameter("smtp_tls_fingerprint_digest", func(f *Evidence, v postfix.Value) string {
		if strings.EqualFold(v.Text, "md5") && (f.Config.Text(nil, "smtp_tls_policy_maps") != "" || f.Config.Text(nil, "smtp_tls_fingerprint_cert_match") != "") {
			return "is md5"
		}
		return ""
	}),
}
