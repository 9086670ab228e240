package audit

import (
	"strings"

	"postseal/internal/detect"
	"postseal/internal/posture"
)

var snd004 = Rule{
	ID: "PS-SND-004", Part: Sending, Severity: High, Since: "1.0",
	Title:  "DANE is set, and the resolver does not validate",
	Why:    "It protects no more than may does, and nothing says so but one warning in the log.",
	Level:  Must,
	Source: "RFC 7672 section 2.1; seen: dane acts as may",
	Cure:   outside("a validating resolver on this machine, such as unbound"),
	Check: routes(ofLevel, func(e *Evidence, r posture.Route) string {
		if strings.HasPrefix(r.Level.Is, "dane") && strings.EqualFold(e.Config.Text(&r.Service, "smtp_dns_support_level"), "dnssec") && e.Resolver.Validates == detect.No {
			return "has TLS level " + r.Level.Is + "; " + e.Resolver.Why
		}
		return ""
	}, detect.Default, detect.Some),
}
