package audit

var cfg011 = Rule{
	ID: "PS-CFG-011", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "this Postfix is not the newest of its branch",
	Why:    "Repairs of this branch are missing, unless the distribution has put them in.",
	Level:  Should,
	Source: "postfix.org announcements, as of November 2026",
	Cure:   "apt-get upgrade, or what your distribution has",
	Check: when(always, func(e *Evidence) []Hit {
		v := e.Config.Version
		for _, newest := range patched {
			if v.Known() && v.Major == newest.Major && v.Minor == newest.Minor && !v.AtLeast(newest) {
				return []Hit{{Detail: "it is Postfix " + v.String() + ", and there is " + newest.String()}}
			}
		}
		return nil
	}),
}
