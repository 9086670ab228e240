package audit

import (
	"fmt"
	"slices"
	"time"
)

var crt015 = Rule{
	ID: "PS-CRT-015", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "another certificate is served than is on disk",
	Why:    "It was renewed, and Postfix still shows the old one until it is reloaded: when that one runs out, those who check hold mail back.",
	Level:  Must,
	Source: "what a handshake found",
	Cure:   outside("postfix reload; postseal watch finds it from a timer"),
	Check: live(func(e *Evidence, l Live) string {
		var files []string
		for _, c := range e.certificatesOf(l.Listener) {
			if c.Fingerprint == "" {
				return "" // a file that cannot be read may be the one
			}
			files = append(files, c.Fingerprint)
		}
		if l.Seen == nil || len(files) == 0 {
			return ""
		}
		for _, leaf := range l.Seen.Certificates {
			if !slices.Contains(files, leaf.Fingerprint) {
				return fmt.Sprintf("shows one until %s that is in none of the files (SHA-256 %.16s…)", leaf.NotAfter.UTC().Format(time.DateOnly), leaf.Fingerprint)
			}
		}
		return ""
	}),
}
