package audit

import "postseal/internal/domain"

var pub004 = Rule{
	ID: "PS-PUB-004", Part: Publishing, Severity: Low, Since: "1.0",
	Title:  "no policy of MTA-STS is published",
	Why:    "Large senders that do not look at DANE deliver in clear to whoever is on the way and takes TLS out.",
	Level:  May,
	Source: "RFC 8461",
	Cure:   outside("publish a TXT record _mta-sts.DOMAIN and the policy at https://mta-sts.DOMAIN/.well-known/mta-sts.txt, with mode: testing first"),
	Check: domains(func(d *domain.Domain) string {
		if d.STS.Record == "" && d.STS.Problem == "" {
			return "none for " + d.Name
		}
		return ""
	}),
}
