package detect

import (
	"strings"

	"postseal/internal/host"
)

// Policy is an entry of smtp_tls_policy_maps.
type Policy struct {
	// Destination is a next hop or a domain as the table has it, Level the TLS
	// level, in small letters.
	Destination, Level string
}

// findPolicies reads the policy tables whose text is there. PoliciesUnread says
// that there are others.
func (f *Facts) findPolicies(m host.Reader) {
	text := f.Config.Text(nil, "smtp_tls_policy_maps")
	if strings.Contains(text, "{") {
		f.PoliciesUnread = true
		return
	}
	for _, one := range list(text) {
		kind, path, _ := strings.Cut(strings.TrimPrefix(one, "proxy:"), ":")
		switch kind {
		case "hash", "btree", "lmdb", "cdb", "dbm", "sdbm", "texthash":
		case "static":
			f.Policies = append(f.Policies, Policy{"*", strings.ToLower(path)})
			continue
		default:
			f.PoliciesUnread = true
			continue
		}
		data, err := m.ReadFile(path)
		if err != nil {
			f.PoliciesUnread = true
			continue
		}
		for _, l := range strings.Split(string(data), "\n") {
			if w := strings.Fields(l); len(w) > 1 && !strings.HasPrefix(w[0], "#") && l[0] != ' ' && l[0] != '\t' {
				f.Policies = append(f.Policies, Policy{strings.ToLower(w[0]), strings.ToLower(w[1])})
			}
		}
	}
}

// PolicyFor is the level of a next hop in the tables, or empty: a next hop with
// brackets or a port is looked up as it is, a domain also by its parents
// (postconf(5), smtp_tls_policy_maps).
func (f *Facts) PolicyFor(hop string) string {
	find := func(key string) string {
		for _, p := range f.Policies {
			if p.Destination == key || p.Destination == "*" {
				return p.Level
			}
		}
		return ""
	}
	key := strings.ToLower(hop)
	if level := find(key); level != "" || strings.ContainsAny(key, "[:") {
		return level
	}
	for _, parent, ok := strings.Cut(key, "."); ok; _, parent, ok = strings.Cut(parent, ".") {
		if level := find("." + parent); level != "" {
			return level
		}
	}
	return ""
}
