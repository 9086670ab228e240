package audit

import "postseal/internal/detect"

var sub003 = Rule{
	ID: "PS-SUB-003", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "there is no port with TLS from the first byte",
	Why:    "Mail programs prefer it: nothing can be taken out on the way.",
	Level:  Should,
	Source: "RFC 8314 section 3.3: implicit TLS SHOULD be offered on port 465",
	Cure:   answer("submission", "encrypt-and-465"),
	Check: when(func(e *Evidence) bool { return len(e.Receives(detect.Submission)) > 0 }, func(f *Evidence) []Hit {
		if len(f.Receives(detect.Submissions)) == 0 && f.InFront() == "" {
			return []Hit{{Detail: "users have " + f.Receives(detect.Submission)[0].Service.ID() + " only"}}
		}
		return nil
	}),
}
