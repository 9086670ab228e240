package audit

import (
	"strings"

	"postseal/internal/postfix"
)

var snd017 = Rule{
	ID: "PS-SND-017", Part: Sending, Severity: Note, Since: "1.0",
	Title:  "a header can switch a policy off",
	Why:    "A message with TLS-Required: no is delivered also where the policy table demands TLS.",
	Level:  May,
	Source: "RFC 8689; postconf(5), tls_required_enable",
	Cure:   set("tls_required_enable", "no", " where a policy is a must"),
	Check: parameter("tls_required_enable", func(f *Evidence, v postfix.Value) string {
		if f.Config.Version.AtLeast(postfix.V(3, 10, 0)) && strings.EqualFold(v.Text, "yes") && f.Config.Text(nil, "smtp_tls_policy_maps") != "" {
			return "is yes"
		}
		return ""
	}),
}
