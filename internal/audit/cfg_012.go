package audit

import (
	"strings"

	"postseal/internal/postfix"
)

var cfg012 = Rule{
	ID: "PS-CFG-012", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "main.cf has no line end at its end",
	Why:    "postconf -e of this release glues the next parameter that it adds to the last line: both are lost. postseal does not.",
	Level:  Should,
	Source: "seen: up to Postfix 3.7.14, 3.8.9, 3.9.3 and 3.10.1",
	Cure:   outside("add a line end; apply does, if it changes main.cf"),
	Check: when(always, func(e *Evidence) []Hit {
		text := e.Config.Main.String()
		if text == "" || strings.HasSuffix(text, "\n") || !e.Config.Version.Known() {
			return nil
		}
		for _, mended := range []postfix.Version{postfix.V(3, 7, 15), postfix.V(3, 8, 10), postfix.V(3, 9, 4), postfix.V(3, 10, 2)} {
			if v := e.Config.Version; v.Minor == mended.Minor && v.Major == mended.Major && v.AtLeast(mended) {
				return nil
			}
		}
		if e.Config.Version.AtLeast(postfix.V(3, 11, 0)) {
			return nil
		}
		return []Hit{{Detail: e.Config.MainPath() + " ends within a line"}}
	}),
}
