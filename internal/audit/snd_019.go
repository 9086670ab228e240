package audit

import (
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/postfix"
)

var snd019 = Rule{
	ID: "PS-SND-019", Part: Sending, Severity: Medium, Since: "1.0",
	Title:  "fingerprints are compared by MD5",
	Why:    "A certificate with the same MD5 can be made.",
	Level:  Should,
	Source: "postconf(5), smtp_tls_fingerprint_digest",
	Cure:   set("smtp_tls_fingerprint_digest", "sha256", ", and new fingerprints in the tables"),
	Check: parameter("smtp_tls_fingerprint_digest", func(f *Evidence, v postfix.Value) string {
		if strings.EqualFold(v.Text, "md5") && f.comparesFingerprints(v.Set) {
			return "is md5"
		}
		return ""
	}),
}

// comparesFingerprints reports whether a level of sending compares fingerprints. What
// tables that cannot be read ask for is only presumed if set, by hand, is true.
func (e *Evidence) comparesFingerprints(set bool) bool {
	return set && (e.PoliciesUnread || e.Config.Text(nil, "smtp_tls_fingerprint_cert_match") != "") ||
		slices.ContainsFunc(e.Transports, func(t detect.Transport) bool { return t.Level == "fingerprint" }) ||
		slices.ContainsFunc(e.Policies, func(p detect.Policy) bool { return p.Level == "fingerprint" })
}
