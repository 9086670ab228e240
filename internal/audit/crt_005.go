package audit

import (
	"slices"
	"strings"

	"postseal/internal/detect"
)

var crt005 = Rule{
	ID: "PS-CRT-005", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "the certificate is not for the names that others use",
	Why:    "Senders that check names (MTA-STS, secure) hold mail back.",
	Level:  Should,
	Source: "RFC 8461 section 4.2; RFC 9525",
	Cure:   "postseal cert obtain --name",
	Check: served(func(f *Evidence, c detect.Certificate) string {
		if c.Err != nil || c.Algorithm == "" {
			return ""
		}
		var missing []string
		for _, n := range f.Needed {
			if !slices.ContainsFunc(c.Names, func(have string) bool { return covers(have, n.Name) }) {
				missing = append(missing, n.Name)
			}
		}
		if len(missing) > 0 && !c.SelfSigned {
			return "is not for " + strings.Join(missing, ", ")
		}
		return ""
	}),
}
