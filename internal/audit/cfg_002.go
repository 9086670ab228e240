package audit

import (
	"strings"

	"postseal/internal/detect"
)

var cfg002 = Rule{
	ID: "PS-CFG-002", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "a setting switches TLS off",
	Why:    "STARTTLS is offered and then refused, or the line is dropped: senders fall back to clear text or fail.",
	Level:  Must,
	Source: "seen: disabling TLS support",
	Cure:   "correct the value",
	Check: problems(func(p detect.Problem) bool {
		return !p.Fatal && strings.HasPrefix(p.Parameter, "smtpd") && (strings.Contains(p.Text, "TLS is switched off") || strings.Contains(p.Text, "TLS is off") || strings.Contains(p.Text, "dropped after STARTTLS"))
	}),
}
