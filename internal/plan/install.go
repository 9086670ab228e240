package plan

import (
	"fmt"
	"path/filepath"
	"slices"

	"postseal/certs"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/posture"
)

// Install plans to put a new chain file in the place of one: staged holds key
// and certificates, and target is what Postfix is, or will be, told to read.
// Nothing else changes. Both files must have been inspected.
func Install(f *detect.Facts, staged, target string) (*Plan, error) {
	chains, _, err := f.Chains(staged)
	if err != nil {
		return nil, err
	}
	if len(chains) != 1 {
		return nil, fmt.Errorf("%s contains %d chains instead of one", staged, len(chains))
	}
	c := chains[0]
	b := &builder{
		f: f, master: f.Config.Master, after: f.Config, served: map[string]served{target: {c.Facts, true, c.Certs}},
		p: &Plan{
			Format: Format, ConfigDir: f.Config.Dir, Postfix: f.Config.Version.String(),
			Inputs: map[string]string{staged: f.PEM[staged].Digest}, Risks: []Risk{}, Changes: []Change{}, Checks: []Check{},
		},
	}
	a := Assembly{From: []string{staged}, Fingerprint: c.Facts.Fingerprint, PEM: c.CertificatesPEM()}
	for _, cert := range c.Certs {
		a.Contents = append(a.Contents, certs.Describe(cert))
	}
	b.assemble(target, a)
	for path := range f.PEM {
		if f.Leads(path, target) {
			b.served[path] = b.served[target]
		}
	}
	if Uses(f, target) {
		b.checks(posture.Of(b.f, b.after, b.fresh()))
	}
	return b.p, nil
}

// Present are the checks of the configuration as it is.
func Present(f *detect.Facts) []Check {
	b := &builder{f: f, master: f.Config.Master, after: f.Config, served: map[string]served{}, p: &Plan{}}
	b.checks(posture.Of(b.f, b.after, b.fresh()))
	return b.p.Checks
}

// Uses reports whether a listener of Postfix shows what is in the file, by its path
// or by a symbolic link.
func Uses(f *detect.Facts, path string) bool {
	return slices.ContainsFunc(f.Listeners, func(l detect.Listener) bool {
		groups, _ := f.CertificateFiles(&l.Service, "smtpd_tls_")
		return slices.ContainsFunc(slices.Concat(groups...), func(shown string) bool { return f.Leads(shown, path) })
	})
}

// RefuseTLSA returns an error if TLSA records are published under a name and none of
// them authenticates the new chain: senders with DANE would no longer deliver.
func RefuseTLSA(c certs.Chain, published map[string][]certs.TLSA, f *detect.Facts) error {
	names := map[string][]string{}
	for base := range published {
		names[base] = f.MailNames(base)
	}
	for _, finding := range c.Inspect(certs.Want{TLSA: published, MailNames: names, Now: f.Now}).Findings {
		if finding.Topic == "TLSA" && finding.Level == certs.Bad {
			return hint.New("the new certificate "+finding.Text, "publish that record first and wait until the old answers have expired, or keep the key")
		}
	}
	return nil
}

// InPlace reports whether a chain file is one that postseal itself keeps: it is
// then used where it is.
func InPlace(certsDir, path string) bool {
	rel, err := filepath.Rel(certsDir, path)
	return err == nil && filepath.IsLocal(rel)
}
