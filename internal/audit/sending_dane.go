package audit

import (
	"strings"

	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/posture"
)

// sendingDANERules are the rules about DANE for sending.
var sendingDANERules = []Rule{
	daneNotValidated, daneUnused, daneWithoutDNSSEC,
}

var daneNotValidated = Rule{
	ID: "PS-SND-004", Part: Sending, Severity: High, Since: "1.0",
	Title:  "DANE is set, but the resolver does not validate",
	Why:    "It protects no more than level may, and only a warning in the log says so.",
	Level:  Must,
	Source: "RFC 7672 section 2.1; seen: dane acts as may",
	Cure:   outside(detect.ValidatingResolver),
	Check: routes(ofLevel, func(e *Evidence, r posture.Route) string {
		if strings.HasPrefix(r.Level.Is, "dane") && strings.EqualFold(e.Config.Text(&r.Service, "smtp_dns_support_level"), "dnssec") && e.Resolver.Validates == detect.No {
			return "has TLS level " + r.Level.Is + "; " + e.Resolver.Why
		}
		return ""
	}, detect.Default, detect.Some),
}

var daneUnused = Rule{
	ID: "PS-SND-005", Part: Sending, Severity: Low, Since: "1.0",
	Title:  "DANE is available but not used",
	Why:    "The resolver validates: destinations with TLSA records would be protected, and no others would notice.",
	Level:  May,
	Source: "RFC 7672; NCSC-NL: recommended",
	Cure:   answer("outbound-level", "dane").leaving(outboundLevels...),
	Check: routes(ofLevel, func(e *Evidence, r posture.Route) string {
		if r.Level.Is == "may" && r.Policy == nil && e.outside(r) && e.Resolver.Validates == detect.Yes {
			return "has TLS level may"
		}
		return ""
	}, detect.Default),
}

var daneWithoutDNSSEC = Rule{
	ID: "PS-SND-031", Part: Sending, Severity: High, Since: "1.0",
	Title:  "DANE is set, but DNSSEC lookups are not",
	Why:    "Level dane protects no more than may, and dane-only defers all mail.",
	Level:  Must,
	Source: "postconf(5), smtp_dns_support_level; seen: dane acts as may",
	Cure:   set("smtp_dns_support_level", "dnssec", ", or --outbound-level may"),
	Check:  problems(postfix.Sending, nil, detect.NoDANE),
}
