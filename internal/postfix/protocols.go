package postfix

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Protocol is a TLS version by the name that Postfix gives it.
type Protocol string

// The protocols, oldest first.
const (
	SSLv2  Protocol = "SSLv2"
	SSLv3  Protocol = "SSLv3"
	TLSv1  Protocol = "TLSv1"
	TLSv11 Protocol = "TLSv1.1"
	TLSv12 Protocol = "TLSv1.2"
	TLSv13 Protocol = "TLSv1.3"
)

// Protocols are all that Postfix has names for, oldest first.
var Protocols = []Protocol{SSLv2, SSLv3, TLSv1, TLSv11, TLSv12, TLSv13}

// rank is the place of p among Protocols, or -1.
func (p Protocol) rank() int { return slices.Index(Protocols, p) }

// Below reports whether p is older than q.
func (p Protocol) Below(q Protocol) bool { return p.rank() < q.rank() }

// ParseFloor returns the oldest version that a protocol list leaves on; it fails where
// ParseProtocols does.
func ParseFloor(list string, v Version) (Protocol, error) {
	on, err := ParseProtocols(list, v)
	if err != nil {
		return "", err
	}
	return on[0], nil
}

// ParseProtocols reads a protocol list (postconf(5), smtpd_tls_protocols) and returns
// the versions that it leaves on, oldest first. TLS 1.0 is the least that any OpenSSL
// of today offers, so an older floor counts as that. It fails where Postfix would
// switch TLS off.
func ParseProtocols(list string, v Version) ([]Protocol, error) {
	on := slices.Clone(Protocols[2:])
	drop := func(gone func(Protocol) bool) { on = slices.DeleteFunc(on, gone) }
	var include []Protocol
	for _, word := range TLSList(list) {
		op, name := "", word
		for _, o := range []string{">=", "<=", "!"} {
			if rest, ok := strings.CutPrefix(word, o); ok {
				op, name = o, rest
				break
			}
		}
		p, ok := protocolNamed(name)
		if !ok || (op == ">=" || op == "<=") && v.Known() && !v.AtLeast(V(3, 6, 0)) {
			return nil, fmt.Errorf("protocol list %.60q: Postfix %s does not know %q", list, v, word)
		}
		switch op {
		case ">=":
			drop(func(q Protocol) bool { return q.Below(p) })
		case "<=":
			drop(func(q Protocol) bool { return p.Below(q) })
		case "!":
			drop(func(q Protocol) bool { return q == p })
		default:
			include = append(include, p)
		}
	}
	if len(include) > 0 {
		drop(func(q Protocol) bool { return !slices.Contains(include, q) })
	}
	if len(on) == 0 {
		return nil, fmt.Errorf("protocol list %.60q leaves no protocol on", list)
	}
	return on, nil
}

// Gapless reports whether no version is left out between two of the list, which goes from
// old to new. A client offers nothing above a gap (ssl_get_min_max_version in OpenSSL).
func Gapless(on []Protocol) bool {
	return len(on) == 0 || on[len(on)-1].rank()-on[0].rank() == len(on)-1
}

// protocolNamed finds a protocol by name, in any case, or by its number on
// the wire in hexadecimal.
func protocolNamed(name string) (Protocol, bool) {
	for _, p := range Protocols {
		if strings.EqualFold(name, string(p)) {
			return p, true
		}
	}
	if n, err := strconv.ParseUint(name, 16, 16); err == nil && n >= 0x0300 && n <= 0x0304 {
		return Protocols[n-0x0300+1], true
	}
	return "", false
}

// FormatFloor writes a list that leaves p and all newer versions on, in the
// form that release v understands: ">=TLSv1.2" from 3.6 on, exclusions before
// and for an unknown release, which every release understands.
func FormatFloor(p Protocol, v Version) string {
	if v.AtLeast(V(3, 6, 0)) {
		return ">=" + string(p)
	}
	var out []string
	for _, q := range Protocols {
		if q.Below(p) {
			out = append(out, "!"+string(q))
		}
	}
	return strings.Join(out, ", ")
}
