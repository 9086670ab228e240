package audit

import (
	"slices"
	"strings"

	"postseal/internal/detect"
)

var crt005 = Rule{
	ID: "PS-CRT-005", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "a certificate of a CA is not for the names that others use",
	Why:    "Senders that check names (MTA-STS, secure) hold mail back.",
	Level:  Should,
	Source: "RFC 8461 section 4.2; RFC 9525",
	Cure:   order("postseal cert obtain, which proposes all of them"),
	Check: when(func(e *Evidence) bool { return slices.ContainsFunc(e.ShownCertificates(), vouched) }, served(func(f *Evidence, c detect.Certificate) string {
		if !vouched(c) {
			return ""
		}
		var missing []string
		for _, n := range f.NamesFor(c) {
			if !slices.ContainsFunc(c.Names, func(have string) bool { return covers(have, n) }) {
				missing = append(missing, n)
			}
		}
		if len(missing) > 0 {
			return "is not for " + strings.Join(missing, ", ")
		}
		return ""
	}).Find),
}

// vouched says whether a CA says whose certificate it is: without one, nobody who
// looks at names trusts it.
func vouched(c detect.Certificate) bool {
	return c.Err == nil && c.Algorithm != "" && !c.SelfSigned
}
