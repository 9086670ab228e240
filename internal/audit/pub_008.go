package audit

import (
	"fmt"

	"postseal/internal/domain"
)

var pub008 = Rule{
	ID: "PS-PUB-008", Part: Publishing, Severity: Low, Since: "1.0",
	Title:  "the policy of MTA-STS is forgotten too soon",
	Why:    "Who is on the way only has to wait until senders have forgotten it.",
	Level:  Should,
	Source: "RFC 8461 section 3.2: weeks or more",
	Cure:   outside("set max_age: 1209600 or more, and change the id in the TXT record"),
	Check: domains(func(d *domain.Domain) string {
		if d.STS.Policy != nil && d.STS.Policy.Mode == domain.Enforce && d.STS.Policy.MaxAge < 7*24*3600 {
			return fmt.Sprintf("%s: max_age %d", d.Name, d.STS.Policy.MaxAge)
		}
		return ""
	}),
}
