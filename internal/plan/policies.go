package plan

import (
	"fmt"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/interview"
)

// dropSites names the destinations for which smtp_tls_per_site decides now, and no longer
// will: those whose level then is another one.
func (b *builder) dropSites() {
	table := b.present("smtp_tls_per_site")
	if !b.gone["smtp_tls_per_site"] || table == "" || b.present("smtp_tls_policy_maps") != "" {
		return
	}
	level := detect.ClientLevel(func(name string) string { return b.after.Text(nil, name) })
	var changed []string
	for _, p := range b.f.Policies {
		if p.Level != level {
			changed = append(changed, fmt.Sprintf("%.60s (%s)", p.Destination, p.Level))
		}
	}
	if n := len(changed) - maxDestinations; n > 0 {
		changed = append(changed[:maxDestinations], fmt.Sprintf("%d others", n))
	}
	switch {
	case len(b.f.UnreadPolicies) > 0:
		b.risk(RiskDropPolicies, "the entries of smtp_tls_per_site, which is obsolete, no longer count, and not all of %s can be read: mail to those destinations is sent at TLS level %s. To keep them, move them to smtp_tls_policy_maps first", table, level)
	case len(changed) > 0:
		b.risk(RiskDropPolicies, "the entries of smtp_tls_per_site, which is obsolete, no longer count: mail to %s is sent at TLS level %s. To keep them, move them to smtp_tls_policy_maps first", strings.Join(changed, ", "), level)
	}
}

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
