package audit

import (
	"strings"

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

func hole(name string, below, above postfix.Protocol, v postfix.Value) Hit {
	return Hit{Detail: name + " leaves out the versions between " + string(below) + " and " + string(above), At: v.Origin}
}
