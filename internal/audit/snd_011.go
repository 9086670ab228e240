package audit

import (
	"slices"

	"postseal/internal/detect"
	"postseal/internal/posture"
	"postseal/internal/probe"
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
		words := slices.DeleteFunc(slices.Clone(r.Suites.Excluded), missesNothing)
		if len(words) == 0 {
			return ""
		}
		return "excludes " + few(words)
	}, detect.Default),
}

// missesNothing reports whether no server is lost without a class of suites: all have
// others beside them, or OpenSSL 1.1.1 and later has none of them (ciphers(1)).
func missesNothing(class string) bool {
	return slices.Contains(unmissed, class) || probe.Known(class) &&
		!slices.ContainsFunc(probe.Strong(), func(s probe.Suite) bool { return s.In(class) && !s.Anonymous() })
}

// unmissed are such classes of which probe knows no suite.
var unmissed = []string{"eNULL", "NULL", "EXPORT", "EXP", "LOW", "DES", "RC2", "IDEA", "MD5", "PSK", "SRP", "DSS", "aDSS", "SSLv2"}
