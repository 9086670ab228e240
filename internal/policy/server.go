package policy

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/host"
)

// SettingOf returns what a server can enforce.
func SettingOf(f *detect.Facts, rule Rule) Setting {
	s := Setting{Rule: rule, Default: detect.ClientLevel(func(name string) string { return f.Config.Text(nil, name) })}
	switch lookups := strings.FieldsFunc(f.Config.Text(nil, "smtp_host_lookup"), func(r rune) bool { return r == ',' || r == ' ' }); {
	case !slices.Contains(lookups, "dns"):
		s.NoDANE = "smtp_host_lookup leaves out dns"
	case !strings.EqualFold(f.Config.Text(nil, "smtp_dns_support_level"), "dnssec"):
		s.NoDANE = "smtp_dns_support_level is not dnssec"
	case f.Resolver.Validates == detect.No:
		s.NoDANE = f.Resolver.Why
	}
	if !trusts(f) {
		s.NoCAs = "Postfix trusts no CA when it sends: smtp_tls_CAfile is not set"
	}
	return s
}

// trusts reports whether Postfix trusts any CA when it sends.
func trusts(f *detect.Facts) bool {
	return f.Config.Text(nil, "smtp_tls_CAfile") != "" || f.Config.Text(nil, "smtp_tls_CApath") != "" || f.Config.Bool(nil, "tls_append_default_CA")
}

// Roots returns the CAs that Postfix trusts when it sends; nil if it trusts none.
func Roots(m host.Reader, f *detect.Facts) (*x509.CertPool, error) {
	if !trusts(f) {
		return nil, nil
	}
	pool := x509.NewCertPool()
	if f.Config.Text(nil, "smtp_tls_CApath") != "" || f.Config.Bool(nil, "tls_append_default_CA") {
		system, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("reading the CA certificates of the system: %w", err)
		}
		pool = system
	}
	if path := f.Config.Text(nil, "smtp_tls_CAfile"); path != "" {
		data, err := m.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading the CA certificates: %w", err)
		}
		pool.AppendCertsFromPEM(data)
	}
	return pool, nil
}

// Own returns where the administrator has an entry for a domain in a table other than
// ours, or "". An entry for the parent of a domain counts too: Postfix would find ours
// first otherwise.
func Own(f *detect.Facts, t Table) func(name string) string {
	others := *f
	others.Policies = slices.DeleteFunc(slices.Clone(f.Policies), func(p detect.Policy) bool { return p.At.File == t.Path })
	return func(name string) string {
		if p := others.PolicyFor(name); p != nil {
			return p.At.String()
		}
		return ""
	}
}

// InUse reports whether Postfix reads the table: whether main.cf names it.
func InUse(f *detect.Facts, t Table) bool {
	return slices.ContainsFunc(strings.FieldsFunc(f.Config.Text(nil, "smtp_tls_policy_maps"), func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' }), func(one string) bool {
		return strings.TrimPrefix(one, "proxy:") == t.Name()
	})
}
