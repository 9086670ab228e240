package audit

var pub032 = Rule{
	ID: "PS-PUB-032", Part: Publishing, Severity: Low, Since: "1.1",
	Title:  "every TLSA record is about one certificate",
	Why:    "After the next renewal no record matches, and senders with DANE do not deliver.",
	Level:  Should,
	Source: "RFC 7671 section 5.1: publish 3 1 1",
	Cure:   outside("postseal publish"),
	Check: when(func(e *Evidence) bool { return len(e.TLSA) > 0 }, func(e *Evidence) (out []Hit) {
		for _, name := range fleeting(e) {
			out = append(out, Hit{Detail: name + " has only records with selector 0"})
		}
		return out
	}),
}
