package audit

import (
	"strings"

	"postseal/internal/domain"
)

var pub006 = Rule{
	ID: "PS-PUB-006", Part: Publishing, Severity: High, Since: "1.0",
	Title:  "the policy of MTA-STS does not name a server of the domain",
	Why:    "Senders with MTA-STS do not deliver to that server; if it is the only one, they do not deliver.",
	Level:  Must,
	Source: "RFC 8461 section 4.1",
	Cure:   outside("add an mx: line for it, and change the id in the TXT record"),
	Check: domains(func(d *domain.Domain) string {
		var missing []string
		for _, x := range d.MX {
			if d.STS.Policy != nil && d.STS.Policy.Mode == domain.Enforce && x.Promised != nil && !*x.Promised {
				missing = append(missing, x.Name)
			}
		}
		if len(missing) == 0 {
			return ""
		}
		return d.Name + ": " + strings.Join(missing, ", ")
	}),
}
