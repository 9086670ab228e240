package audit

var pub002 = Rule{
	ID: "PS-PUB-002", Part: Publishing, Severity: High, Since: "1.0",
	Title:  "TLSA records are published in a zone that is not signed",
	Why:    "Nobody believes them: DANE protects nothing.",
	Level:  Must,
	Source: "RFC 6698 section 4: DNSSEC MUST be used",
	Cure:   outside("sign the zone"),
	Check: when(func(e *Evidence) bool { return len(e.Unproved)+len(e.TLSA) > 0 }, func(f *Evidence) []Hit {
		var out []Hit
		for _, n := range f.Unproved {
			out = append(out, Hit{Detail: n + " has records that nobody vouches for"})
		}
		return out
	}),
}
