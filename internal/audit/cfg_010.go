package audit

import (
	"cmp"

	"postseal/internal/postfix"
)

var cfg010 = Rule{
	ID: "PS-CFG-010", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "old defaults are kept by compatibility_level",
	Why:    "Below 3.6 fingerprints are MD5, below 1 services run in a chroot unless they say otherwise: files for TLS must be there too.",
	Level:  May,
	Source: "COMPATIBILITY_README",
	Cure:   outside("read COMPATIBILITY_README; then postconf compatibility_level=3.6"),
	Check: when(always, func(e *Evidence) []Hit {
		v := e.Config.Value(nil, "compatibility_level")
		if level, ok := compatibility(v.Text); ok && level < 306 && e.Config.Version.Known() && e.Config.Version.AtLeast(postfix.V(3, 6, 0)) {
			return []Hit{{Detail: "compatibility_level is " + cmp.Or(v.Text, "0"), At: v.Origin}}
		}
		return nil
	}),
}
