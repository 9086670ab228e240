package audit

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"postseal/internal/detect"
)

// demands reports whether TLS is required at a level, of every server that is sent to.
func demands(level string) bool { return !slices.Contains([]string{"none", "may", "dane"}, level) }

// used reports whether the settings named *_mandatory_*, or the others, have an effect at a
// level. At dane both have: Postfix takes the former for servers with TLSA records, and the
// latter for all others (postconf(5), smtp_tls_security_level).
func used(mandatory bool, level string) bool {
	return level == "dane" || level != "none" && demands(level) == mandatory
}

// wrongFamily returns the parameter that has an effect at a level in place of one that
// has none. What is excluded where TLS is offered is also excluded where it is required.
func wrongFamily(name, side, level string) (counts string, ok bool) {
	rest, ours := strings.CutPrefix(name, side+"_tls_")
	if !ours || level == "none" {
		return "", false
	}
	must, mandatory := strings.CutPrefix(rest, "mandatory_")
	if !slices.Contains([]string{"protocols", "ciphers", "exclude_ciphers"}, must) {
		return "", false
	}
	switch {
	case mandatory && !used(true, level):
		return side + "_tls_" + must, true
	case !mandatory && !used(false, level) && must != "exclude_ciphers":
		return side + "_tls_mandatory_" + must, true
	}
	return "", false
}

// levels are the TLS levels at which a service sends: those of its routes, and those of the
// entries of its policy tables. At one that is not known both families have an effect, as at
// dane, which stands for it.
func (e *Evidence) levels(t detect.Transport) (out []string) {
	for _, r := range e.Posture().Routes {
		if r.Service.ID() == t.Service.ID() {
			out = union(out, cmp.Or(r.Level.Is, "dane"))
		}
	}
	switch own := detect.PolicyTables(e.Config, &t.Service).Text; {
	case own == "":
	case own != detect.PolicyTables(e.Config, nil).Text || len(e.UnreadPolicies) > 0:
		out = union(out, "dane")
	default:
		for _, p := range e.Policies {
			out = union(out, p.Level)
		}
	}
	return out
}

// wrongAt reports whether a parameter has no effect at any of some levels, and which one has.
func wrongAt(name, side string, levels []string) (counts string, ok bool) {
	for _, level := range levels {
		if level == "none" {
			continue
		}
		other, wrong := wrongFamily(name, side, level)
		if !wrong {
			return "", false
		}
		counts = other
	}
	return counts, counts != ""
}

// families finds settings in main.cf of which only the family without effect is set, with
// the levels of each service that reads them there and does not override them: at
// all levels, or, if both families are in use, where TLS is required, which should not
// be protected less than the rest. For sending, the mandatory family is not looked at: it
// waits for a policy or a record that requires TLS, and until then no mail is worse off.
func families(e *Evidence, side string, byService map[string][]string) (out []Hit) {
	for _, rest := range []string{"protocols", "ciphers", "exclude_ciphers"} {
		names := []string{side + "_tls_" + rest, side + "_tls_mandatory_" + rest}
		if side == "smtp" {
			names = names[:1]
		}
		for _, name := range names {
			v := e.Config.Value(nil, name)
			if !v.Set {
				continue
			}
			var levels []string
			for _, id := range slices.Sorted(maps.Keys(byService)) {
				s, _ := e.service(id)
				if _, own := s.Override(name); !own {
					levels = append(levels, byService[id]...)
				}
			}
			counts, all := "", len(levels) > 0
			for _, level := range levels {
				other, wrong := wrongFamily(name, side, level)
				if level == "none" {
					continue
				}
				if !wrong {
					all = false
				} else if !e.Config.Value(nil, other).Set {
					counts = other
				}
			}
			if counts != "" && (all || strings.Contains(counts, "_mandatory_")) {
				where := "anywhere"
				if !all {
					where = "where TLS is required"
				}
				out = append(out, Hit{Detail: name + " is set but has no effect " + where + ": " + counts + " applies, and has its default", At: v.Origin})
			}
		}
	}
	return out
}
