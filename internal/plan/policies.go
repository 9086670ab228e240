package plan

import (
	"strings"

	"postseal/internal/interview"
)

// policyMaps plans whether Postfix reads the table of policies that is kept here. It comes
// after the administrator's own tables, whose entries count.
func (b *builder) policyMaps() {
	const name = "smtp_tls_policy_maps"
	value, ours := b.f.Config.Value(nil, name).Raw, b.f.PolicyTable
	has := ours != "" && strings.Contains(value, ours)
	switch {
	case b.d.Policy == interview.PolicyEvidence && !has:
		b.set(name, strings.TrimLeft(strings.TrimRight(value, ", ")+", "+ours, ", "))
	case b.d.Policy == interview.PolicyNone && has:
		b.risk(RiskDropPolicies, "the policies for single destinations in %s no longer count: mail there is protected only as smtp_tls_security_level says", ours)
		rest := strings.TrimRight(strings.Replace(value, ours, "", 1), ", ")
		if b.unset(name); rest != "" {
			b.set(name, rest)
		}
	case b.inOwnBlock(name):
		b.set(name, value)
	}
}
