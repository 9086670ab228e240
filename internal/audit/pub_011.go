package audit

import "postseal/internal/domain"

var pub011 = Rule{
	ID: "PS-PUB-011", Part: Publishing, Severity: Low, Since: "1.0",
	Title:  "the record of TLS reports cannot be followed",
	Why:    "Nobody reports.",
	Level:  Must,
	Source: "RFC 8460 section 3",
	Cure:   outside("one TXT record _smtp._tls.DOMAIN: v=TLSRPTv1; rua=mailto:ADDRESS"),
	Check: domains(func(d *domain.Domain) string {
		if d.Reports.Problem != "" {
			return d.Name + ": " + d.Reports.Problem
		}
		return ""
	}),
}
