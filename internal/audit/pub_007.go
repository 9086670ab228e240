package audit

import "postseal/internal/domain"

var pub007 = Rule{
	ID: "PS-PUB-007", Part: Publishing, Severity: Low, Since: "1.0",
	Title:  "the policy of MTA-STS enforces nothing",
	Why:    "Senders report failures, or not even that, and deliver in clear all the same.",
	Level:  Should,
	Source: "RFC 8461 section 5: testing is for the time before enforce",
	Cure:   outside("when the reports show no failures, set mode: enforce and change the id in the TXT record"),
	Check: domains(func(d *domain.Domain) string {
		if d.STS.Policy == nil || d.STS.Policy.Mode == domain.Enforce {
			return ""
		}
		text := d.Name + ": mode " + d.STS.Policy.Mode
		for _, x := range d.MX { // what would stop mail once it is enforced
			if d.STS.Policy.Mode == domain.Testing && x.Promised != nil && !*x.Promised {
				text += "; it does not name " + x.Name
			}
			if d.STS.Policy.Mode == domain.Testing && x.Trusted != nil && !*x.Trusted {
				text += "; " + x.Name + ": " + x.Untrusted
			}
		}
		return text
	}),
}
