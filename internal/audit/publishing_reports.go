package audit

import "postseal/internal/domain"

// publishingReportsRules are the rules about TLS reports (TLSRPT).
var publishingReportsRules = []Rule{
	noReports, brokenReports,
}

var noReports = Rule{
	ID: "PS-PUB-010", Part: Publishing, Severity: Low, Since: "1.0",
	Title:  "No address for TLS reports is published",
	Why:    "When senders cannot deliver over TLS, the first to tell are the users whose mail is late.",
	Level:  May,
	Source: "RFC 8460 section 3; RFC 8461 section 3.2 wants it while testing",
	Cure:   outside("publish a TXT record _smtp._tls.DOMAIN: v=TLSRPTv1; rua=mailto:ADDRESS; postseal publish DOMAIN prints it"),
	Check: domains(func(d *domain.Domain) string {
		if d.Reports.Record == "" && d.Reports.Problem == "" {
			return "none for " + d.Name
		}
		return ""
	}),
}

var brokenReports = Rule{
	ID: "PS-PUB-011", Part: Publishing, Severity: Low, Since: "1.0",
	Title:  "The TLSRPT record cannot be used",
	Why:    "No sender reports.",
	Level:  Must,
	Source: "RFC 8460 section 3",
	Cure:   outside("publish a single TXT record _smtp._tls.DOMAIN: v=TLSRPTv1; rua=mailto:ADDRESS"),
	Check: domains(func(d *domain.Domain) string {
		if d.Reports.Problem != "" {
			return d.Name + ": " + d.Reports.Problem
		}
		return ""
	}),
}
