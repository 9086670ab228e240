package audit

import (
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
	"postseal/internal/posture"
)

// overrides are the TLS parameters that a listener sets to something else than
// main.cf has.
func overrides(e *Evidence, s mastercf.Service) (out []string) {
	for _, o := range s.Options {
		_, known := postfix.Lookup(o.Name)
		if (known || strings.Contains(o.Name, "tls")) && o.Bad == "" && !slices.Contains(out, o.Name) && !strings.EqualFold(e.Config.Text(&s, o.Name), e.Config.Text(nil, o.Name)) {
			out = append(out, o.Name)
		}
	}
	return out
}

// grades of suites, from weak to strong.
var grades = []string{"null", "export", "low", "medium", "high"}

// loosens reports whether what a listener sets protects less than main.cf does.
func loosens(e *Evidence, l posture.Listener, name string) bool {
	own, main := strings.ToLower(e.Config.Text(&l.Service, name)), strings.ToLower(e.Config.Text(nil, name))
	below := func(order []string) bool {
		i, j := slices.Index(order, own), slices.Index(order, main)
		return i >= 0 && j >= 0 && i < j
	}
	switch strings.TrimPrefix(name, "smtpd_") {
	case "tls_security_level", "use_tls", "enforce_tls":
		get := func(n string) string { return e.Config.Text(nil, n) }
		order := []string{"none", "may", "encrypt"}
		return slices.Index(order, l.TLS.Is.String()) < slices.Index(order, detect.ServerLevel(get))
	case "tls_protocols", "tls_mandatory_protocols":
		a, err := postfix.ParseFloor(own, e.Config.Version)
		b, bad := postfix.ParseFloor(main, e.Config.Version)
		return err == nil && bad == nil && a.Below(b)
	case "tls_ciphers", "tls_mandatory_ciphers":
		return below(grades)
	case "tls_exclude_ciphers", "tls_mandatory_exclude_ciphers":
		return slices.ContainsFunc(postfix.TLSList(main), func(w string) bool { return !slices.Contains(postfix.TLSList(own), w) })
	case "tls_loglevel":
		return own == "0"
	case "tls_auth_only", "tls_req_ccert":
		return own == "no" && main == "yes" && l.TLS.Is != posture.Mandatory
	}
	return false
}
