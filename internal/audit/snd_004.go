package audit

import (
	"strings"

	"postseal/internal/detect"
)

var snd004 = Rule{
	ID: "PS-SND-004", Part: Sending, Severity: High, Since: "1.0",
	Title:  "DANE is set, and the resolver does not validate",
	Why:    "It protects no more than may does, and nothing says so but one warning in the log.",
	Level:  Must,
	Source: "RFC 7672 section 2.1; seen: dane acts as may",
	Cure:   "a validating resolver on this machine, such as unbound",
	Check: transports(func(f *Evidence, t detect.Transport) string {
		if strings.HasPrefix(t.Level, "dane") && strings.EqualFold(f.Config.Text(&t.Service, "smtp_dns_support_level"), "dnssec") && f.Resolver.Validates == detect.No {
			return "has TLS level " + t.Level + "; " + f.Resolver.Why
		}
		return ""
	}, detect.Default, detect.Some),
}
