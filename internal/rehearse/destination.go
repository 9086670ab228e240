package rehearse

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"postseal/internal/hint"
)

// Destination is where a rehearsal sends to. The zero value is a made-up one.
type Destination struct {
	// Domain is what the mail is for.
	Domain string
	// Policy is an entry as in smtp_tls_policy_maps: "secure match=.example.com".
	Policy string
}

// hop is the domain, or the host, of a next hop as smtp_tls_policy_maps names
// it: "example.com", "[relay.example.com]:587" (postconf(5)).
func hop(text string) (string, error) {
	name, _, bracketed := strings.Cut(strings.TrimPrefix(text, "["), "]")
	if !bracketed || !strings.HasPrefix(text, "[") {
		name, _, _ = strings.Cut(text, ":")
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if _, err := netip.ParseAddr(name); err == nil || len(name) > 200 || !hostName.MatchString(name) {
		return "", hint.New(fmt.Sprintf("rehearsing: %.80q is not a domain to which mail can be sent", text),
			"use a domain, in its xn-- form if it is not ASCII, or a next hop: [relay.example.com]:587")
	}
	return name, nil
}

// hostName is a name of letters, digits and hyphens (RFC 1123, section 2.1).
var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)

// matched is a host name that an entry's match= takes (postconf(5),
// smtp_tls_secure_cert_match), or empty.
func matched(policy, domain string) string {
	if pinned(policy) {
		return "" // the digest of a key
	}
	for _, word := range strings.Fields(policy) {
		list, ok := strings.CutPrefix(word, "match=")
		if !ok {
			continue
		}
		switch first, _, _ := strings.Cut(list, ":"); {
		case first == "nexthop":
			return domain
		case first == "hostname" || first == "dot-nexthop":
			return "mx." + domain
		case strings.HasPrefix(first, "."):
			return "mx" + first
		default:
			return first
		}
	}
	return ""
}

// pinned reports whether an entry trusts a key, and no name (TLS_README,
// "fingerprint").
func pinned(policy string) bool {
	f := strings.Fields(policy)
	return len(f) > 0 && f[0] == "fingerprint"
}
