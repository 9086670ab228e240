package detect

import (
	"fmt"
	"slices"
	"strings"

	"postseal/internal/host"
	"postseal/internal/postfix"
	"postseal/internal/postfix/logical"
)

// Policy is an entry of smtp_tls_policy_maps.
type Policy struct {
	// Destination is a next hop or a domain as the table has it, Level the TLS
	// level, both in small letters.
	Destination, Level string
	// Fault is why mail there is deferred: Postfix does not understand the entry.
	Fault string
	At    postfix.Origin
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
			f.addPolicy("*", path, f.Config.Value(nil, "smtp_tls_policy_maps").Origin)
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
		for _, l := range logical.Parse(string(data)).Logical { // as postmap(1) reads it
			if i := strings.IndexAny(l.Text, " \t"); i > 0 {
				f.addPolicy(l.Text[:i], l.Text[i:], postfix.Origin{File: path, Line: l.First() + 1})
			}
		}
	}
}

func (f *Facts) addPolicy(destination, text string, at postfix.Origin) {
	level, fault := policy(text, f.Config)
	f.Policies = append(f.Policies, Policy{strings.ToLower(destination), level, fault, at})
}

// clientLevels are the TLS levels of a client, in the order of protection.
var clientLevels = []string{"none", "may", "encrypt", "fingerprint", "dane", "dane-only", "verify", "secure"}

// policy reads an entry as Postfix does (smtp_tls_policy.c): words between blanks and
// commas, of which the first is a level and the others are attributes, each without
// blanks in it. What it does not understand defers all mail there, and so does a value
// of which TLS dies at the start of the session; fault says so.
func policy(text string, c postfix.Config) (level, fault string) {
	words := list(text)
	if len(words) == 0 {
		return "", "it is empty"
	}
	level = strings.ToLower(words[0])
	if !slices.Contains(clientLevels, level) {
		return level, fmt.Sprintf("%.60q is no TLS level", words[0])
	}
	if level == "none" {
		return level, "" // the rest is ignored, with a warning
	}
	seen := map[string]bool{}
	for _, word := range words[1:] {
		name, value, ok := strings.Cut(word, "=")
		name = strings.ToLower(name)
		switch {
		case !ok || name == "":
			return level, fmt.Sprintf("%.60q is no attribute: write name=value without blanks, and colons between values", word)
		case seen[name] && name != "match" && name != "tafile" && name != "connection_reuse":
			return level, name + " is there twice"
		}
		if fault := attribute(name, value, level, c); fault != "" {
			return level, fault
		}
		seen[name] = true
	}
	if level == "fingerprint" && !seen["match"] && c.Text(nil, "smtp_tls_fingerprint_cert_match") == "" {
		return level, "fingerprint has no match= to compare with"
	}
	return level, ""
}

// attribute says what is wrong with an attribute of a policy, or is empty.
func attribute(name, value, level string, c postfix.Config) string {
	if value == "" && name != "protocols" && name != "exclude" {
		return fmt.Sprintf("%.60s has no value", name)
	}
	switch name {
	case "exclude", "servername", "enable_rpk":
	case "protocols":
		if _, err := postfix.ParseFloor(value, c.Version); err != nil {
			return fmt.Sprintf("protocols=%.60s is no list of versions", value)
		}
	case "ciphers":
		if !slices.Contains([]string{"high", "medium", "low", "export", "null"}, strings.ToLower(value)) {
			return fmt.Sprintf("ciphers=%.60s is no grade", value)
		}
	case "connection_reuse":
		if !strings.EqualFold(value, "yes") && !strings.EqualFold(value, "no") {
			return fmt.Sprintf("connection_reuse=%.60s is neither yes nor no", value)
		}
	case "match":
		if !slices.Contains([]string{"fingerprint", "verify", "secure"}, level) {
			return "match= does not go with level " + level
		}
	case "tafile":
		if level != "verify" && level != "secure" {
			return "tafile= does not go with level " + level
		}
	default:
		return fmt.Sprintf("%.60q is no attribute", name)
	}
	return ""
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
