package detect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"postseal/internal/host"
	"postseal/internal/postfix"
	"postseal/internal/postfix/logical"
	"postseal/internal/postfix/mastercf"
)

// Policy is an entry of smtp_tls_policy_maps.
type Policy struct {
	// Destination is a next hop or a domain as the table has it, Level the TLS
	// level, both in small letters.
	Destination, Level string
	// Protocols, Ciphers and Exclude take the place of the parameters for this
	// destination; nil where the entry does not name them.
	Protocols, Ciphers, Exclude *string
	// Match are names, or fingerprints at that level, TrustAnchors files.
	Match, TrustAnchors []string
	// ServerName is the name in the ClientHello (SNI), empty for the usual one.
	ServerName string
	// Fault is why mail there is deferred: Postfix does not understand the entry. InClear
	// means that it is only the handshakes that fail, at a level that lets mail go without.
	Fault   string
	InClear bool
	At      postfix.Origin
}

// findPolicies reads the policy tables whose text is there, and notes the others.
func (f *Facts) findPolicies(m host.Reader) {
	tables := PolicyTables(f.Config, nil)
	text, perSite := tables.Text, f.Config.Text(nil, "smtp_tls_policy_maps") == ""
	for _, one := range postfix.Tables(text) {
		kind, path, _ := strings.Cut(strings.TrimPrefix(one, "proxy:"), ":")
		switch kind {
		case "hash", "btree", "lmdb", "cdb", "dbm", "sdbm", "texthash":
		case "static":
			f.addPolicy(perSite, "*", strings.Trim(path, "{}"), tables.Origin)
			continue
		case "inline":
			entries, ok := inlineEntries(path)
			if !ok {
				f.UnreadPolicies = append(f.UnreadPolicies, one)
			}
			for _, e := range slices.Backward(entries) { // of two entries for one key, the last counts
				f.addPolicy(perSite, e.key, e.value, tables.Origin)
			}
			continue
		default:
			f.UnreadPolicies = append(f.UnreadPolicies, one)
			continue
		}
		data, err := m.ReadFile(path)
		if err != nil {
			f.UnreadPolicies = append(f.UnreadPolicies, one)
			continue
		}
		for _, l := range logical.Parse(string(data)).Logical { // as postmap(1) reads it
			if i := strings.IndexAny(l.Text, " \t"); i > 0 {
				f.addPolicy(perSite, l.Text[:i], l.Text[i:], postfix.Origin{File: path, Line: l.First() + 1})
			}
		}
	}
}

// inlineEntries reads the text of a table of type inline: "{ key = value, { key = value
// with, commas } }" (DATABASE_README; dict_inline.c). It reports false for a text that it
// does not understand.
func inlineEntries(text string) (out []entry, ok bool) {
	text = strings.TrimSpace(text)
	if len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}' {
		return nil, false
	}
	for _, one := range postfix.Tables(text[1 : len(text)-1]) {
		if strings.HasPrefix(one, "{") {
			one = strings.TrimSuffix(one[1:], "}")
		}
		key, value, found := strings.Cut(one, "=")
		if key = strings.TrimSpace(key); !found || key == "" || strings.ContainsAny(key, "\"{}") {
			return nil, false
		}
		out = append(out, entry{key, strings.TrimSpace(value)})
	}
	return out, len(out) > 0
}

// PolicyTables are those that decide about TLS for single destinations of a service, or
// of main.cf: smtp_tls_policy_maps, or smtp_tls_per_site where that is empty.
func PolicyTables(c postfix.Config, s *mastercf.Service) postfix.Value {
	maps, sites := "smtp_tls_policy_maps", "smtp_tls_per_site"
	if s != nil {
		maps, sites = Own(*s, maps), Own(*s, sites)
	}
	if v := c.Value(s, maps); v.Text != "" {
		return v
	}
	return c.Value(s, sites)
}

// perSiteLevels are the words of smtp_tls_per_site, as tls_site_lookup in
// smtp_tls_policy.c takes them.
var perSiteLevels = map[string]string{"none": "none", "may": "may", "must_nopeermatch": "encrypt", "must": "verify"}

func (f *Facts) addPolicy(perSite bool, destination, text string, at postfix.Origin) {
	p := policy(text, f.Config)
	if perSite {
		level, known := perSiteLevels[strings.ToLower(strings.TrimSpace(text))]
		global := ClientLevel(func(name string) string { return f.Config.Text(nil, name) })
		if !known || level == "may" && global != "none" && global != "may" { // ignored, or less than what holds for all
			return
		}
		p = Policy{Level: level}
	}
	p.Destination, p.At = strings.ToLower(destination), at
	f.Policies = append(f.Policies, p)
}

// clientLevels are the TLS levels of a client, in the order of protection.
var clientLevels = []string{"none", "may", "encrypt", "fingerprint", "dane", "dane-only", "verify", "secure"}

// policy reads an entry as Postfix does (smtp_tls_policy.c): words between blanks and
// commas, of which the first is a level and the others are attributes, each without
// blanks in it. What it does not understand defers all mail there, and so does a value
// of which TLS dies at the start of the session; Fault says so.
func policy(text string, c postfix.Config) (p Policy) {
	words := postfix.List(text)
	if len(words) == 0 {
		p.Fault = "it is empty"
		return p
	}
	var broken string
	p.Level = strings.ToLower(words[0])
	if !slices.Contains(clientLevels, p.Level) {
		p.Fault = fmt.Sprintf("%.60q is not a TLS level", words[0])
	}
	if p.Level == "none" || p.Fault != "" {
		return p // the rest is ignored, with a warning
	}
	for _, word := range words[1:] {
		name, value, ok := strings.Cut(word, "=")
		name = strings.ToLower(name)
		if !ok || name == "" {
			p.Fault = fmt.Sprintf("%.60q is not an attribute: write name=value without spaces, and colons between values", word)
		} else if p.Fault = attribute(name, value, p.Level, c); p.Level == "may" && value != "" && (name == "protocols" || name == "ciphers") {
			broken, p.Fault = cmp.Or(broken, p.Fault), "" // it is read without complaint, and TLS dies of it
		}
		if p.Fault == "" && !p.take(name, value) {
			p.Fault = name + " is set twice"
		}
		if p.Fault != "" {
			return p
		}
	}
	if broken != "" {
		p.Fault, p.InClear = broken, true
	}
	if p.Level == "fingerprint" && len(p.Match) == 0 && c.Text(nil, "smtp_tls_fingerprint_cert_match") == "" {
		p.Fault = "level fingerprint requires match="
	}
	return p
}

// ParsePolicy reads the right-hand side of a policy entry as this release of Postfix does.
func ParsePolicy(text string, c postfix.Config) Policy { return policy(text, c) }

// take notes an attribute that Postfix understands, and reports whether it may stand
// there: some may be there once only.
func (p *Policy) take(name, value string) bool {
	one := map[string]**string{"protocols": &p.Protocols, "ciphers": &p.Ciphers, "exclude": &p.Exclude}
	switch at := one[name]; {
	case at != nil && *at != nil:
		return false
	case at != nil:
		*at = &value
	case name == "match" && p.Level == "fingerprint":
		p.Match = append(p.Match, strings.Split(value, "|")...)
	case name == "match":
		p.Match = append(p.Match, strings.Split(value, ":")...)
	case name == "tafile":
		p.TrustAnchors = append(p.TrustAnchors, value)
	case name == "servername":
		if p.ServerName != "" {
			return false
		}
		p.ServerName = value
	}
	return true
}

// laterAttributes are those that not every release knows (tls_policy_lookup_one in
// smtp_tls_policy.c): an older one defers all mail to a destination whose entry has one.
var laterAttributes = map[string]postfix.Version{
	"enable_rpk": postfix.V(3, 9, 0), "policy_ttl": postfix.V(3, 10, 0), "policy_type": postfix.V(3, 10, 0),
	"policy_domain": postfix.V(3, 10, 0), "policy_string": postfix.V(3, 10, 0), "mx_host_pattern": postfix.V(3, 10, 0),
	"policy_failure": postfix.V(3, 10, 0),
}

// attribute says what is wrong with an attribute of a policy, or is empty.
func attribute(name, value, level string, c postfix.Config) string {
	if value == "" && name != "protocols" && name != "exclude" {
		return fmt.Sprintf("%.60s has no value", name)
	}
	if since, later := laterAttributes[name]; later && !c.Version.AtLeast(since) {
		return fmt.Sprintf("the attribute %s requires Postfix %s", name, since)
	}
	switch name {
	case "exclude", "servername", "policy_ttl", "policy_type", "policy_domain", "policy_string", "mx_host_pattern", "policy_failure":
	case "protocols":
		if _, err := postfix.ParseFloor(value, c.Version); err != nil {
			return fmt.Sprintf("protocols=%.60s is not a list of TLS versions", value)
		}
	case "ciphers":
		if !slices.Contains([]string{"high", "medium", "low", "export", "null"}, strings.ToLower(value)) {
			return fmt.Sprintf("ciphers=%.60s is not a cipher grade", value)
		}
	case "connection_reuse", "enable_rpk":
		if !strings.EqualFold(value, "yes") && !strings.EqualFold(value, "no") {
			return fmt.Sprintf("%s=%.60s is neither yes nor no", name, value)
		}
	case "match":
		if !slices.Contains([]string{"fingerprint", "verify", "secure"}, level) {
			return "match= is not valid with level " + level
		}
	case "tafile":
		if level != "verify" && level != "secure" {
			return "tafile= is not valid with level " + level
		}
	default:
		return fmt.Sprintf("%.60q is not an attribute", name)
	}
	return ""
}

// PolicyFor returns the entry for a next hop in the tables, or nil: a next hop with
// brackets or a port is looked up as it is, a domain also by its parents
// (postconf(5), smtp_tls_policy_maps).
func (f *Facts) PolicyFor(hop string) *Policy {
	find := func(key string) *Policy {
		for i, p := range f.Policies {
			if p.Destination == key || p.Destination == "*" {
				return &f.Policies[i]
			}
		}
		return nil
	}
	for _, key := range PolicyKeys(hop) {
		if p := find(key); p != nil {
			return p
		}
	}
	return nil
}

// PolicyKeys are those under which Postfix looks for the policy of a next hop, in this
// order: the next hop, and, for a domain, its parents with a dot before them (postconf(5),
// smtp_tls_policy_maps). Each is looked up in all tables before the next one.
func PolicyKeys(hop string) []string {
	key := strings.ToLower(hop)
	keys := []string{key}
	if strings.ContainsAny(key, "[:") {
		return keys
	}
	for _, parent, ok := strings.Cut(key, "."); ok; _, parent, ok = strings.Cut(parent, ".") {
		keys = append(keys, "."+parent)
	}
	return keys
}
