package audit

import "postseal/internal/domain"

var pub010 = Rule{
	ID: "PS-PUB-010", Part: Publishing, Severity: Low, Since: "1.0",
	Title:  "nobody is told where to report TLS that fails",
	Why:    "That senders cannot deliver with TLS is known first from those whose mail is late.",
	Level:  May,
	Source: "RFC 8460 section 3; RFC 8461 section 3.2 wants it while testing",
	Cure:   outside("publish a TXT record _smtp._tls.DOMAIN: v=TLSRPTv1; rua=mailto:ADDRESS"),
	Check: domains(func(d *domain.Domain) string {
		if d.Reports.Record == "" && d.Reports.Problem == "" {
			return "none for " + d.Name
		}
		return ""
	}),
}
