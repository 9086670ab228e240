package audit

import (
	"fmt"
	"time"
)

var cfg017 = Rule{
	ID: "PS-CFG-017", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "main.cf was changed after the last reload",
	Why:    "New processes read it at once, old ones have what was before: for hours the server does now this and now that.",
	Level:  May,
	Source: "seen: main.cf counts for every process that is started",
	Cure:   outside("postfix reload"),
	Check: when(func(e *Evidence) bool { return !e.Reloaded.IsZero() && !e.Edited.IsZero() }, func(e *Evidence) []Hit {
		if late := e.Edited.Sub(e.Reloaded); late > slack {
			return []Hit{{Detail: fmt.Sprintf("%s is from %s, and Postfix runs since %s", e.Config.MainPath(), e.Edited.UTC().Format(time.DateTime), e.Reloaded.UTC().Format(time.DateTime))}}
		}
		return nil
	}),
}

// slack is how much later the file may be: the clock of a process is not that of
// a file system.
const slack = 5 * time.Second
