package audit

import "postseal/internal/domain"

var pub007 = Rule{
	ID: "PS-PUB-007", Part: Publishing, Severity: Low, Since: "1.0",
	Title:  "the policy of MTA-STS enforces nothing",
	Why:    "Senders report failures, or not even that, and deliver in clear all the same.",
	Level:  Should,
	Source: "RFC 8461 section 5: testing is for the time before enforce",
	Cure:   "when the reports show no failures, set mode: enforce and change the id in the TXT record",
	Check: domains(func(d *domain.Domain) string {
		if d.STS.Policy != nil && d.STS.Policy.Mode != domain.Enforce {
			return d.Name + ": mode " + d.STS.Policy.Mode
		}
		return ""
	}),
}
