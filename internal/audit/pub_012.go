package audit

import "postseal/internal/domain"

var pub012 = Rule{
	ID: "PS-PUB-012", Part: Publishing, Severity: Note, Since: "1.0",
	Title:  "the policy of MTA-STS could not be seen from here",
	Why:    "Nothing answered. If it is so for others too, they go on as if there were no policy.",
	Level:  May,
	Source: "RFC 8461 section 3.3",
	Cure:   outside("postseal probe --mx DOMAIN on a machine that may connect to the web"),
	Check: domains(func(d *domain.Domain) string {
		if d.STS.Unseen {
			return d.Name + ": " + d.STS.Problem
		}
		return ""
	}),
}
