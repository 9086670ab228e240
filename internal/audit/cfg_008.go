package audit

import (
	"fmt"

	"postseal/internal/lifecycle"
)

var cfg008 = Rule{
	ID: "PS-CFG-008", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "this Postfix release is no longer supported",
	Why:    "Its project fixes no faults in it any more; the distribution may still do so.",
	Level:  Should,
	Source: "postfix.org announcements: the four newest branches are supported",
	Cure:   outside("update the distribution"),
	Check: when(always, func(e *Evidence) []Hit {
		return unsupported(e, lifecycle.Postfix, e.Config.Version.String(), "Postfix "+e.Config.Version.String())
	}),
}

// unsupported is a hit if the project of a product no longer supports the branch of a
// release. A branch that is older than all known ones is not supported either.
func unsupported(e *Evidence, product, release, name string) []Hit {
	b, known := e.Lifecycle.Find(product, release)
	if !known || !b.Ended(e.Now) {
		return nil
	}
	detail := "it is " + name
	if b.Ends != "" {
		detail += fmt.Sprintf(", whose branch %s ended on %s", b.Branch, b.Ends)
	}
	return []Hit{{Detail: detail}}
}
