package policy

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/postfix"
)

// SettingOf returns what a server can enforce.
func SettingOf(f *detect.Facts, rule Rule) Setting {
	s := Setting{Rule: rule, Default: detect.ClientLevel(func(name string) string { return f.Config.Text(nil, name) })}
	switch lookups := postfix.List(f.Config.Text(nil, "smtp_host_lookup")); {
	case !slices.Contains(lookups, "dns"):
		s.NoDANE = "smtp_host_lookup leaves out dns"
	case !strings.EqualFold(f.Config.Text(nil, "smtp_dns_support_level"), "dnssec"):
		s.NoDANE = "smtp_dns_support_level is not dnssec"
	case f.Resolver.Validates == detect.No:
		s.NoDANE = f.Resolver.Why
	}
	// By default, some releases do so only where smtp_tls_security_level is dane.
	const loose = "smtp_tls_dane_insecure_mx_policy"
	if v := f.Config.Value(nil, loose); v.Set && v.Text != "dane" || !v.Set && s.Default != "dane" && f.Config.Defaults[loose] != "dane" {
		s.NoLooseDANE = "smtp_tls_dane_insecure_mx_policy is not dane: Postfix treats such servers as at level may"
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

// Own finds entries of the administrator in tables other than ours. An entry for the parent
// of a domain counts too: Postfix would find ours first otherwise.
type Own struct {
	ctx    context.Context //nolint:containedctx // of one command, which a rule asks about many names
	m      host.Machine
	facts  detect.Facts
	tables []string // those that only postmap(1) can ask
	known  map[string]string
	err    error
}

// OwnIn returns the entries of the administrator beside a table of ours.
func OwnIn(ctx context.Context, m host.Machine, f *detect.Facts, t Table) *Own {
	o := &Own{ctx: ctx, m: m, facts: *f, known: map[string]string{}}
	o.facts.Policies = slices.DeleteFunc(slices.Clone(f.Policies), func(p detect.Policy) bool { return p.At.File == t.Path })
	o.tables = slices.DeleteFunc(slices.Clone(f.UnreadPolicies), func(one string) bool { return strings.TrimPrefix(one, "proxy:") == t.Name() })
	return o
}

// At returns where the entry for a domain is, or "". It is "" too if a table could not be
// asked: see Err.
func (o *Own) At(name string) string {
	if p := o.facts.PolicyFor(name); p != nil {
		return p.At.String()
	}
	for _, key := range detect.PolicyKeys(name) {
		for _, table := range o.tables {
			if o.has(table, key) {
				return table
			}
		}
	}
	return ""
}

// Err is why a table could not be asked, or nil. Whether there is an entry is not known
// then, and nothing may be changed.
func (o *Own) Err() error { return o.err }

func (o *Own) has(table, key string) bool {
	id := table + "\x00" + key
	if policy, ok := o.known[id]; ok || o.err != nil {
		return policy != ""
	}
	r, err := o.m.Run(o.ctx, "postmap", "-c", o.facts.Config.Dir, "-q", key, table)
	if text := strings.TrimSpace(r.Stderr); err == nil && r.Code != 0 && text != "" {
		err = errors.New(text)
	}
	if err != nil {
		o.err = hint.Wrap(fmt.Errorf("asking %.80s for %.80s: %w", table, key, err), "Postfix asks this table too: correct it, or remove it from smtp_tls_policy_maps")
		return false
	}
	o.known[id] = strings.TrimSpace(r.Stdout)
	return o.known[id] != ""
}

// InUse reports whether Postfix reads the table: whether main.cf names it.
func InUse(f *detect.Facts, t Table) bool {
	return slices.ContainsFunc(postfix.Tables(f.Config.Text(nil, "smtp_tls_policy_maps")), func(one string) bool {
		return strings.TrimPrefix(one, "proxy:") == t.Name()
	})
}
