package audit

import "postseal/internal/domain"

var pub009 = Rule{
	ID: "PS-PUB-009", Part: Publishing, Severity: Critical, Since: "1.0",
	Title:  "the certificate is not what the policy of MTA-STS demands",
	Why:    "Senders with MTA-STS want a certificate of a public CA for the name in the MX record: without it they do not deliver.",
	Level:  Must,
	Source: "RFC 8461 section 4.2",
	Cure:   order("postseal cert obtain, or set mode: testing until there is one"),
	Check: domains(func(d *domain.Domain) string {
		for _, x := range d.MX {
			if d.STS.Policy != nil && d.STS.Policy.Mode == domain.Enforce && x.Trusted != nil && !*x.Trusted {
				return x.Name + ": " + x.Untrusted
			}
		}
		return ""
	}),
}
