package audit

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/posture"
)

// configurationSystemRules are the rules about what else acts on the configuration.
var configurationSystemRules = []Rule{
	managedElsewhere, compatibilityLevel, noFinalNewline, notReloaded, smuggling,
}

var managedElsewhere = Rule{
	ID: "PS-CFG-007", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "Another program writes this configuration too",
	Why:    "It may overwrite what is changed here.",
	Level:  May,
	Source: "what was found on this machine",
	Cure:   outside("make the change in that program"),
	Check: when(always, func(e *Evidence) []Hit {
		var out []Hit
		for _, m := range e.Managers {
			if m.Overwrites {
				out = append(out, Hit{Detail: m.Name + " (" + m.Evidence + "): for a change that lasts, " + m.Advice()})
			}
		}
		return out
	}),
}

var compatibilityLevel = Rule{
	ID: "PS-CFG-010", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "compatibility_level keeps old defaults",
	Why:    "Below 3.6 fingerprints use MD5; below 1 services run in a chroot unless master.cf says otherwise, and files for TLS must exist there too.",
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

var noFinalNewline = Rule{
	ID: "PS-CFG-012", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "main.cf does not end with a newline",
	Why:    "postconf -e of this release appends the next parameter to the last line: both are lost. postseal does not do that.",
	Level:  Should,
	Source: "seen: up to Postfix 3.7.14, 3.8.9, 3.9.3 and 3.10.1",
	Cure:   outside("add a newline; postseal apply does so when it changes main.cf"),
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
		return []Hit{{Detail: e.Config.MainPath() + " ends without a newline"}}
	}),
}

var notReloaded = Rule{
	ID: "PS-CFG-017", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "main.cf was changed after the last reload",
	Why:    "New processes read it at once, old ones keep the previous values: for hours the server behaves both ways.",
	Level:  May,
	Source: "seen: main.cf counts for every process that is started",
	Cure:   outside("postfix reload"),
	Check: when(func(e *Evidence) bool { return !e.Reloaded.IsZero() && !e.Edited.IsZero() }, func(e *Evidence) []Hit {
		if late := e.Edited.Sub(e.Reloaded); late > slack {
			return []Hit{{Detail: fmt.Sprintf("%s was changed at %s, and Postfix has not been reloaded since %s", e.Config.MainPath(), e.Edited.UTC().Format(time.DateTime), e.Reloaded.UTC().Format(time.DateTime))}}
		}
		return nil
	}),
}

// slack is how much later the file may be: the clock of a process is not that of
// a file system.
const slack = 5 * time.Second

var smuggling = Rule{
	ID: "PS-CFG-041", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "Mail can be smuggled past smtpd_proxy_filter",
	Why:    "A fault of this release lets a sender hide a second message inside one that the filter sees, unless the distribution has fixed it under this number. From Postfix 3.11.0 on, requiretls_esmtp_header = yes, its default, opens a second way.",
	Level:  Must,
	Source: "announcement of Postfix 3.11.7, 2026-09-08",
	Cure:   outside("update to Postfix 3.11.7, 3.10.14 or 3.9.15, or later"),
	Check: listeners(byService, func(e *Evidence, l posture.Listener) string {
		filter := e.Config.Text(&l.Service, "smtpd_proxy_filter")
		if filter == "" || !smuggles(e.Config.Version) {
			return ""
		}
		return "has smtpd_proxy_filter = " + filter + ", and this is Postfix " + e.Config.Version.String()
	}, detect.Relay, detect.Submission, detect.Submissions),
}

// smuggles reports whether a release has the fault: those since 3.9.0 do, up to a
// release of each branch.
func smuggles(v postfix.Version) bool {
	if !v.Known() || !v.AtLeast(postfix.V(3, 9, 0)) || v.AtLeast(postfix.V(3, 12, 0)) {
		return false
	}
	return !v.AtLeast(map[int]postfix.Version{9: postfix.V(3, 9, 15), 10: postfix.V(3, 10, 14), 11: postfix.V(3, 11, 7)}[v.Minor])
}
