package audit

var cfg007 = Rule{
	ID: "PS-CFG-007", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "something else writes this configuration too",
	Why:    "It may undo what is changed here.",
	Level:  May,
	Source: "what was found on this machine",
	Cure:   outside("make the change there"),
	Check: when(always, func(f *Evidence) []Hit {
		var out []Hit
		for _, m := range f.Managers {
			if m.Overwrites {
				out = append(out, Hit{Detail: m.Name + " (" + m.Evidence + "): for a change that lasts, " + m.Advice()})
			}
		}
		return out
	}),
}
