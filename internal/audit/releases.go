package audit

import (
	"fmt"
	"strings"

	"postseal/internal/lifecycle"
	"postseal/internal/postfix"
)

// releasesRules are the rules about releases and their end of life.
var releasesRules = []Rule{
	oldPostfix, oldOpenSSL, notNewest, oldFacts,
}

var oldPostfix = Rule{
	ID: "PS-CFG-008", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "This Postfix release is no longer supported",
	Why:    "Its project no longer fixes faults in it; the distribution may still do so.",
	Level:  Should,
	Source: "postfix.org announcements: the four newest branches are supported",
	Cure:   outside("update the distribution, or check how long it maintains this release"),
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

var oldOpenSSL = Rule{
	ID: "PS-CFG-009", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "This OpenSSL release is no longer supported",
	Why:    "Its project no longer fixes faults in it; the distribution may still do so.",
	Level:  Should,
	Source: "openssl-library.org, release strategy",
	Cure:   outside("update the distribution, or check how long it maintains this release"),
	Check: when(always, func(e *Evidence) []Hit {
		words := strings.Fields(e.OpenSSL) // "OpenSSL 3.0.19 27 Jan 2026"
		if len(words) < 2 || words[0] != lifecycle.OpenSSL {
			return nil
		}
		return unsupported(e, lifecycle.OpenSSL, words[1], lifecycle.OpenSSL+" "+words[1])
	}),
}

var notNewest = Rule{
	ID: "PS-CFG-011", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "This Postfix is not the newest of its branch",
	Why:    "Fixes of this branch are missing, unless the distribution has added them.",
	Level:  Should,
	Source: "postfix.org announcements",
	Cure:   outside("apt-get upgrade, or the equivalent of your distribution"),
	Check: when(always, func(e *Evidence) []Hit {
		v := e.Config.Version
		b, known := e.Lifecycle.Find(lifecycle.Postfix, v.String())
		newest, err := postfix.ParseVersion(b.Newest)
		if !known || err != nil || v.AtLeast(newest) {
			return nil
		}
		return []Hit{{Detail: "it is Postfix " + v.String() + ", and there was " + newest.String() + " on " + e.Lifecycle.AsOf}}
	}),
}

var oldFacts = Rule{
	ID: "PS-CFG-023", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "What postseal knows about releases is more than a year old",
	Why:    "Branches have reached their end of life since, and newer releases exist that it does not know.",
	Level:  Should,
	Source: "postseal version --facts",
	Cure:   outside("update postseal, or put newer data into " + lifecycle.Path),
	Check: when(always, func(e *Evidence) []Hit {
		if e.Lifecycle.Stale(e.Now) {
			return []Hit{{Detail: "it dates from " + e.Lifecycle.AsOf}}
		}
		return nil
	}),
}
