package audit

import (
	"slices"

	"postseal/internal/detect"
	"postseal/internal/posture"
)

var snd011 = Rule{
	ID: "PS-SND-011", Part: Sending, Severity: Medium, Since: "1.0",
	Title:  "suites are excluded where clear text is not",
	Why:    "A server that has nothing else gets its mail some minutes later, in clear text.",
	Level:  Should,
	Source: "RFC 9325 section 5.2; TLS_README",
	Cure:   drop("smtp_tls_exclude_ciphers"),
	Check: routes(ofSuites, func(e *Evidence, r posture.Route) string {
		if r.Level.Is != "may" && r.Level.Is != "dane" {
			return ""
		}
		words := slices.DeleteFunc(slices.Clone(r.Suites.Excluded), func(w string) bool { return slices.Contains(unmissed, w) })
		if len(words) == 0 {
			return ""
		}
		return "excludes " + few(words)
	}, detect.Default),
}

// unmissed are classes of suites that no server has alone: all have others beside them,
// or OpenSSL 1.1.1 and later has none of them (ciphers(1)).
var unmissed = []string{"aNULL", "eNULL", "NULL", "ADH", "AECDH", "EXPORT", "EXP", "LOW", "MD5", "PSK", "SRP", "SSLv2"}
