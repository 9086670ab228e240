package audit

import "postseal/internal/domain"

var pub005 = Rule{
	ID: "PS-PUB-005", Part: Publishing, Severity: Medium, Since: "1.0",
	Title:  "the policy of MTA-STS cannot be followed",
	Why:    "Senders deliver without a policy, or by the last one they were able to fetch.",
	Level:  Must,
	Source: "RFC 8461 sections 3.1 to 3.3",
	Cure:   outside("put the record and the policy right: postseal probe --mx DOMAIN tells when they are"),
	Check: domains(func(d *domain.Domain) string {
		if d.STS.Problem != "" && !d.STS.Unseen {
			return d.Name + ": " + d.STS.Problem
		}
		return ""
	}),
}
