package plan

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"postseal/certs"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
)

// served is a chain that a listener will show.
type served struct {
	certs.Facts
	known bool // false if a file could not be read
	chain []*x509.Certificate
}

// certificates plans the chain files and the parameters that name them.
func (b *builder) certificates() error {
	server := []string{"smtpd_tls_cert_file", "smtpd_tls_key_file", "smtpd_tls_eccert_file", "smtpd_tls_eckey_file"}
	switch {
	case b.d.Role == detect.Sender: // what is set for receiving stays
	case len(b.d.Cert) > 0:
		paths, err := b.chainFiles("", b.d.Cert, b.d.Key)
		if err != nil {
			return err
		}
		b.set("smtpd_tls_chain_files", strings.Join(paths, ", "))
		b.unset(server...)
	case len(b.f.ServerCertificates()) > 0, strings.EqualFold(b.present("smtpd_tls_security_level"), "encrypt"): // given up on purpose
		b.unset(server...)
		b.unset("smtpd_tls_chain_files", "smtpd_tls_security_level")
	}
	client := []string{"smtp_tls_cert_file", "smtp_tls_key_file", "smtp_tls_eccert_file", "smtp_tls_eckey_file", "smtp_tls_chain_files"}
	switch path := b.d.ClientCert.Path(); {
	case path != "":
		var keys []string
		if b.d.ClientKey != "" {
			keys = []string{b.d.ClientKey}
		}
		paths, err := b.chainFiles("client-", []string{path}, keys)
		if err != nil {
			return err
		}
		b.unset(client...)
		b.set("smtp_tls_chain_files", strings.Join(paths, ", "))
	case b.d.ClientCert == "none":
		b.unset(client...)
	default: // keep: what an earlier block says must stay in the block
		if block, had, _ := b.f.Config.Main.Block(Markers); had {
			if e, ok := b.f.Config.Main.Get("smtp_tls_chain_files"); ok && block.In(e) {
				b.set("smtp_tls_chain_files", e.Value)
			}
		}
	}
	return nil
}

// unreadChainRisk names that an RSA certificate may go where several certificates are
// configured that cannot be read: of which algorithms they are is not known.
func (b *builder) unreadChainRisk() {
	groups, _ := b.f.CertificateFiles(nil, "smtpd_tls_")
	several := len(groups) > 1 || len(groups) == 1 && len(groups[0]) > 2
	unread := func(c detect.Certificate) bool { return c.Err != nil && c.Algorithm == "" }
	if !several || !slices.ContainsFunc(b.f.ServerCertificates(), unread) {
		return
	}
	for _, s := range b.served {
		if s.Algorithm == "RSA" {
			return
		}
	}
	b.risk(RiskDropRSA, "the certificates that main.cf names now cannot be read (%s), and one of them may be RSA; none would be RSA: senders that support only RSA fall back to cleartext or fail",
		strings.Join(slices.Compact(slices.Concat(groups...)), ", "))
}

// chainFiles returns what to write into a *_chain_files parameter: our own
// key-first files, or, for a lineage that an ACME client renews in place, its
// key and chain.
func (b *builder) chainFiles(prefix string, certFiles, keyFiles []string) ([]string, error) {
	all := slices.Concat(keyFiles, certFiles)
	chains, unread, err := b.f.Chains(all...)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		b.p.Inputs[p] = b.f.PEM[p].Digest
	}
	if len(chains) == 0 {
		// Not even the certificate can be read: what will be written is known
		// by place only.
		path := filepath.Join(b.o.CertsDir, b.instance(), prefix+"chain.pem")
		b.assemble(path, Assembly{From: all, Contents: []string{"not readable: " + strings.Join(unread, ", ")}, Unproved: true})
		return []string{path}, nil
	}
	var out []string
	for _, c := range chains {
		facts := c.Facts
		if key, chain, ok := b.renewedInPlace(c.Chain, all); ok {
			out = append(out, key, chain)
			b.served[chain] = served{facts, true, c.Certs}
			continue
		}
		path := filepath.Join(b.o.CertsDir, b.instance(), prefix+strings.ToLower(facts.Algorithm)+".pem")
		for _, p := range all { // a file that we keep is used where it is
			if InPlace(b.o.CertsDir, p) && b.isWritten(p, c.Chain) {
				path = p
			}
		}
		out = append(out, path)
		b.served[path] = served{facts, true, c.Certs}
		if b.isWritten(path, c.Chain) {
			continue
		}
		a := Assembly{From: all, Fingerprint: facts.Fingerprint, PEM: c.CertificatesPEM(), Unproved: len(unread) > 0}
		for _, cert := range c.Certs {
			a.Contents = append(a.Contents, certs.Describe(cert))
		}
		b.assemble(path, a)
		b.staleRisk(facts, all)
	}
	return out, nil
}

func (b *builder) assemble(path string, a Assembly) {
	p, seen := b.f.PEM[path]
	exists := seen && p.Digest != ""
	b.p.Inputs[path] = p.Digest
	b.p.Files = append(b.p.Files, File{Path: path, Kind: ChainPEM, New: !exists, Mode: 0o600, Assemble: &a})
}

// isWritten reports whether the file at path already is what would be written.
func (b *builder) isWritten(path string, c certs.Chain) bool {
	p := b.f.PEM[path]
	return p.Err == nil && p.KeyFirst && len(p.Keys) == 1 &&
		certs.Same(p.Keys[0].Public, c.Leaf().PublicKey) &&
		slices.EqualFunc(p.Certs, c.Certs, (*x509.Certificate).Equal)
}

// renewedInPlace finds the key and chain files of a chain that another program
// renews, if Postfix can read them as they are.
func (b *builder) renewedInPlace(c certs.Chain, paths []string) (key, chain string, ok bool) {
	for _, p := range paths {
		f := b.f.PEM[p]
		if len(f.Certs) > 0 && f.Certs[0].Equal(c.Leaf()) && len(f.Keys) == 0 && b.renewedAt(p, c) && !c.Reordered && c.Added == 0 {
			chain = p
		}
		if len(f.Keys) == 1 && len(f.Certs) == 0 && certs.Same(f.Keys[0].Public, c.Leaf().PublicKey) {
			key = p
		}
	}
	return key, chain, key != "" && chain != "" && postfix.CheckPath(key) == nil && postfix.CheckPath(chain) == nil
}

// renewedAt reports whether the chain in a file is renewed there, so that a copy of it
// would go stale: by a client that is known, or by one that cannot be seen. An unseen
// client is presumed where Postfix reads a short-lived certificate of a CA, and where
// main.cf names chain files already, which a program must have put together.
func (b *builder) renewedAt(path string, c certs.Chain) bool {
	if b.f.Renewer(path) != "" {
		return true
	}
	leaf := c.Leaf()
	if bytes.Equal(leaf.RawIssuer, leaf.RawSubject) {
		return false
	}
	if slices.Contains(postfix.List(b.present("smtpd_tls_chain_files")), path) {
		return true
	}
	groups, _ := b.f.CertificateFiles(nil, "smtpd_tls_")
	return leaf.NotAfter.Sub(leaf.NotBefore) < certs.LongLived && slices.Contains(slices.Concat(groups...), path)
}

// ownCertificates moves the certificates of services that name their own to
// chain files: smtpd_tls_chain_files in main.cf would hide the old way.
func (b *builder) ownCertificates() error {
	for _, l := range b.f.Listeners {
		s := l.Service
		if !b.f.OwnCertificate(s) || !b.inBlock("smtpd_tls_chain_files") || b.f.Config.Text(&s, "smtpd_tls_chain_files") != "" {
			continue // nothing of its own, or nothing that counts even now
		}
		groups, _ := b.f.CertificateFiles(&s, "smtpd_tls_")
		var keys, chains []string
		for _, g := range groups {
			keys, chains = append(keys, g[0]), append(chains, g[1])
		}
		paths, err := b.chainFiles(safe(s.Name)+"-", slices.Compact(chains), slices.Compact(keys))
		if err != nil {
			b.p.Notes = append(b.p.Notes, fmt.Sprintf("%s names a certificate of its own that cannot be used (%v): it will show the one of main.cf", s.ID(), err))
			continue
		}
		err = b.override(s, "smtpd_tls_chain_files", strings.Join(paths, ","),
			"this service has a certificate of its own, which smtpd_tls_chain_files in main.cf would hide", "postconf(5) smtpd_tls_chain_files")
		for _, name := range []string{"cert_file", "key_file", "eccert_file", "eckey_file"} {
			err = errors.Join(err, b.noOverride(s, "smtpd_tls_"+name, "now in smtpd_tls_chain_files", "postconf(5) smtpd_tls_chain_files"))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// override sets a parameter for one service.
func (b *builder) override(s mastercf.Service, name, value, why, source string) error {
	old, had := s.Override(name)
	if had && old.Value == value {
		return nil
	}
	m, err := b.master.Set(s.Name, s.Type, name, value)
	if err != nil {
		return b.strayError(err, s)
	}
	b.master = m
	b.p.Changes = append(b.p.Changes, Change{
		Parameter: name, Service: s.ID(), Before: b.f.Config.Value(&s, name).Raw, Present: had, After: value, Kept: true,
		Why: why + withStray(s, old), Source: source, Line: old.Line,
	})
	return nil
}

// strayError returns which words of a service keep it from being changed, and what to do.
func (b *builder) strayError(err error, s mastercf.Service) error {
	for _, p := range b.f.Problems {
		if p.Kind == detect.Stray && p.Origin.Service == s.ID() {
			return hint.Wrap(fmt.Errorf("%s, line %d: %s", p.Origin.File, p.Origin.Line, p.Text), "correct that line, and run postseal again")
		}
	}
	return err
}

// noOverride lets a service follow main.cf again.
func (b *builder) noOverride(s mastercf.Service, name, why, source string) error {
	old, had := s.Override(name)
	if !had {
		return nil
	}
	m, err := b.master.Unset(s.Name, s.Type, name)
	if err != nil {
		return err
	}
	b.master = m
	b.p.Changes = append(b.p.Changes, Change{
		Parameter: name, Service: s.ID(), Before: old.Value, Present: true, Why: why + withStray(s, old), Source: source, Line: old.Line,
	})
	return nil
}

// withStray says that stray words leave with an override; it is empty if there are none.
func withStray(s mastercf.Service, o mastercf.Option) string {
	if len(o.Stray) == 0 {
		return ""
	}
	var words []string
	for _, w := range o.Stray {
		words = append(words, w.Text)
	}
	return fmt.Sprintf("; a blank ended its value, and %s dies of the words behind it: %.60q", s.Program(), strings.Join(words, " "))
}
