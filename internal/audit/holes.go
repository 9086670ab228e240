package audit

import (
	"cmp"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/postfix"
)

// gap finds a version that a list of versions leaves out between two others. If a list
// names any without "!", it leaves out all that it does not name (postconf(5),
// smtp_tls_protocols).
func gap(list string) (below, above postfix.Protocol, ok bool) {
	if strings.Contains(list, "=") {
		return "", "", false
	}
	named, out, inclusive := map[string]bool{}, map[string]bool{}, false
	for _, w := range postfix.TLSList(list) {
		if name, not := strings.CutPrefix(w, "!"); not {
			out[strings.ToLower(name)] = true
		} else {
			named[strings.ToLower(w)], inclusive = true, true
		}
	}
	hole := false
	for _, p := range postfix.Protocols[2:] { // what OpenSSL of today has
		name := strings.ToLower(string(p))
		switch on := !out[name] && (!inclusive || named[name]); {
		case !on:
			hole = below != ""
		case hole:
			return below, p, true
		default:
			below = p
		}
	}
	return "", "", false
}

// holes finds lists of versions with a hole among parameters of main.cf.
func holes(e *Evidence, names ...string) (out []Hit) {
	for _, name := range names {
		v := e.Config.Value(nil, name)
		if below, above, ok := gap(v.Text); v.Set && ok {
			out = append(out, hole(name, below, above, v))
		}
	}
	return out
}

// versionList is a list of versions, and the parameter or the policy that has it.
type versionList struct {
	name string
	v    postfix.Value
}

// versionLists are those by which a service sends: of its routes, and of the entries of its
// policy tables.
func (e *Evidence) versionLists(t detect.Transport) (out []versionList) {
	const optional, mandatory = "smtp_tls_protocols", "smtp_tls_mandatory_protocols"
	add := func(level string, entry *detect.Policy) {
		names := []string{optional, mandatory}
		switch {
		case level == "none":
			return
		case entry != nil && entry.Protocols != nil:
			out = append(out, versionList{"the policy for " + entry.Destination, postfix.Value{Text: *entry.Protocols, Origin: entry.At}})
			return
		case level == "may":
			names = names[:1]
		case demands(level):
			names = names[1:]
		}
		for _, name := range names {
			out = append(out, versionList{name, e.Config.Value(&t.Service, name)})
		}
	}
	for _, r := range e.Posture().Routes {
		if r.Service.ID() == t.Service.ID() && r.Dead == "" {
			add(cmp.Or(r.Level.Is, "dane"), r.Policy) // at one that is not known, both have an effect
		}
	}
	switch own := detect.PolicyTables(e.Config, &t.Service).Text; {
	case own == "":
	case own != detect.PolicyTables(e.Config, nil).Text || len(e.UnreadPolicies) > 0:
		add("dane", nil)
	default:
		for _, p := range e.Policies {
			add(p.Level, &p)
		}
	}
	return out
}

func hole(name string, below, above postfix.Protocol, v postfix.Value) Hit {
	return Hit{Detail: name + " leaves out the versions between " + string(below) + " and " + string(above), At: v.Origin}
}
