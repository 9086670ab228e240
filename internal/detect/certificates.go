package detect

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"postseal/certs"
	"postseal/internal/host"
	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
)

// bundles are where distributions keep their collection of CA certificates in
// one file.
var bundles = []string{
	"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Arch, Alpine
	"/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora, RHEL
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // RHEL 7 and later
	"/var/lib/ca-certificates/ca-bundle.pem",            // SUSE
	"/etc/ssl/ca-bundle.pem",                            // older SUSE
	"/etc/ssl/cert.pem",                                 // BSD, Alpine
	"/usr/local/share/certs/ca-root-nss.crt",            // FreeBSD
}

func (f *Facts) findBundle(m host.Reader) {
	for _, p := range bundles {
		if b := readCAs(m, p); b.Err == nil {
			f.Bundle = b
			f.CAFiles[p] = b
			return
		}
	}
	f.Bundle.Err = errors.New("no collection of CA certificates was found")
	f.unseen("the CA certificates of the distribution", f.Bundle.Err)
}

// readCAs reads a file of CA certificates.
func readCAs(m host.Reader, path string) CABundle {
	c := CABundle{Path: path}
	data, err := m.ReadFile(path)
	if err != nil {
		c.Err = err
		return c
	}
	b, err := certs.ReadCAs(path, data)
	if err == nil && len(b.Certs) == 0 {
		err = fmt.Errorf("reading %s: %w", path, certs.ErrNoCert)
		if len(b.Skipped) > 0 {
			err = fmt.Errorf("%w that can be read here (%s)", err, b.Skipped[0])
		}
	}
	c.Certs, c.Skipped, c.Err = b.Certs, b.Skipped, err
	return c
}

// skippedCAs says which CA certificates in the files that were looked at could not be
// read.
func (f *Facts) skippedCAs() {
	for _, path := range slices.Sorted(maps.Keys(f.CAFiles)) {
		for _, why := range f.CAFiles[path].Skipped {
			f.unseen("a CA certificate in "+path, errors.New(why+"; it is left out here, and OpenSSL may accept it"))
		}
	}
}

// Inspect looks at the files that answers name, so that their sense can be
// checked, and for a certificate without a key also where its key usually
// lies. It is the only thing that adds to facts after Look.
func (f *Facts) Inspect(m host.Reader, paths []string) {
	for _, path := range paths {
		if p := f.readPEM(m, path); p.Err == nil && len(p.Keys) == 0 {
			for _, k := range keyPlaces(path) {
				if _, err := m.Stat(k); err == nil {
					f.readPEM(m, k)
				}
			}
		}
	}
}

// keyPlaces are where the key of a certificate file may lie.
func keyPlaces(chain string) []string {
	dir, base := filepath.Split(chain)
	stem := strings.TrimSuffix(base, filepath.Ext(base))
	return []string{
		dir + "privkey.pem", dir + stem + ".key", dir + stem + "-key.pem", dir + "key.pem",
		filepath.Join(dir, "..", "private", stem+".key"), filepath.Join(dir, "..", "private", base),
	}
}

// KeyFor finds, among the files looked at, one with the key of the leaf in
// chain. own is true if that is the file itself.
func (f *Facts) KeyFor(chain string) (path string, own, ok bool) {
	match := func(candidate string) bool {
		for _, k := range f.PEM[candidate].Keys {
			for _, c := range f.PEM[chain].Certs {
				if certs.Same(k.Public, c.PublicKey) {
					return true
				}
			}
		}
		return false
	}
	if match(chain) {
		return chain, true, true
	}
	for _, c := range f.Certificates { // what the configuration names beside it comes first
		if c.InUse() && c.Chain == chain && c.Table == "" && match(c.Key) {
			return c.Key, false, true
		}
	}
	for _, p := range slices.Sorted(maps.Keys(f.PEM)) {
		if f.PEM[p].Table == "" && match(p) {
			return p, false, true
		}
	}
	// A key that this user may not read cannot be matched; where it should
	// lie still tells.
	for _, p := range keyPlaces(chain) {
		if errors.Is(f.PEM[p].Err, fs.ErrPermission) {
			return p, false, true
		}
	}
	return "", false, false
}

// InspectCA looks at a file of CA certificates.
func (f *Facts) InspectCA(m host.Reader, path string) {
	if _, ok := f.CAFiles[path]; !ok {
		f.CAFiles[path] = readCAs(m, path)
	}
}

func (f *Facts) readPEM(m host.Reader, path string) PEMFile {
	if p, ok := f.PEM[path]; ok {
		return p
	}
	var p PEMFile
	data, err := m.ReadFile(path)
	if err == nil {
		sum := sha256.Sum256(data)
		p.Digest = hex.EncodeToString(sum[:])
		var b certs.Bundle
		b, err = certs.Read(path, data)
		p.Bundle = b.WithoutSecrets()
	}
	p.Err, p.Over = err, over(m, path)
	p.Exposed, p.Unjudged = m.Exposed(path)
	if len(p.Keys) > 0 {
		p.KeyReaders, err = f.keyReaders(m, path)
		p.Unjudged = errors.Join(p.Unjudged, err)
	}
	f.PEM[path] = p
	return p
}

// findCertificates lists what the configuration uses, then what lies where
// certificates usually lie. It ends early only with ctx.
func (f *Facts) findCertificates(ctx context.Context, m host.Reader, certsDir string) error {
	f.inUse(m, nil, "smtpd_tls_", func(c *Certificate) { c.Server = true })
	f.inUse(m, nil, "smtp_tls_", func(c *Certificate) { c.Client = true })
	for _, s := range f.Config.Master.Services() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		mark := func(c *Certificate) { c.Services = append(c.Services, s.ID()) }
		switch program := s.Program(); {
		case program == "smtpd" && (s.Type == "inet" || s.Type == "pass") && f.OwnCertificate(s):
			f.inUse(m, &s, "smtpd_tls_", mark)
		case program == "tlsproxy" && f.ownProxyCertificate(s):
			f.inUse(m, &s, "tlsproxy_tls_", mark)
		}
	}
	f.findSNI(ctx, m)
	for _, p := range certs.Places(certsDir) {
		if err := f.search(ctx, m, p); err != nil {
			return err
		}
	}
	f.findOwners()
	f.skippedCAs()
	f.Sample = sample(m)
	return nil
}

// snakeoil is what Debian's ssl-cert makes (make-ssl-cert(8)).
const snakeoil = "/etc/ssl/certs/ssl-cert-snakeoil.pem"

func sample(m host.Reader) string {
	data, err := m.ReadFile(snakeoil)
	if err != nil {
		return ""
	}
	b, err := certs.Read(snakeoil, data)
	if err != nil || len(b.Certs) == 0 {
		return ""
	}
	sum := sha256.Sum256(b.Certs[0].Raw)
	return hex.EncodeToString(sum[:])
}

// ownProxyCertificate reports whether a tlsproxy(8) shows other certificates than those
// of main.cf to the clients that postscreen tests.
func (f *Facts) ownProxyCertificate(s mastercf.Service) bool {
	own, _ := f.CertificateFiles(&s, "tlsproxy_tls_")
	main, _ := f.CertificateFiles(nil, "smtpd_tls_")
	return !slices.EqualFunc(own, main, slices.Equal)
}

// OwnCertificate reports whether a service names a server certificate itself.
func (f *Facts) OwnCertificate(s mastercf.Service) bool {
	names := []string{"chain_files"}
	for _, p := range pairs {
		names = append(names, p[0])
	}
	return slices.ContainsFunc(names, func(n string) bool { _, ok := s.Override("smtpd_tls_" + n); return ok })
}

// CertificateFiles are the files that hold the server certificates of a
// service (nil: of all that do not name their own), keys among them.
func (f *Facts) CertificateFiles(s *mastercf.Service, prefix string) (groups [][]string, origin postfix.Origin) {
	if v := f.Config.Value(s, prefix+"chain_files"); v.Text != "" {
		files := postfix.List(v.Text)
		for i := range files {
			files[i] = f.absolute(files[i])
		}
		return [][]string{files}, v.Origin
	}
	for _, p := range pairs {
		v := f.Config.Value(s, prefix+p[0])
		if v.Text == "" || v.Text == "none" {
			continue
		}
		key := f.Config.Text(s, prefix+p[1])
		if key == "" {
			key = v.Text
		}
		groups = append(groups, []string{f.absolute(key), f.absolute(v.Text)})
		origin = v.Origin
	}
	return groups, origin
}

// use is how the configuration uses the files of a certificate.
type use struct {
	origin postfix.Origin
	// chainFiles says that a parameter such as smtpd_tls_chain_files names them, and no
	// pair of parameters for key and certificate.
	chainFiles bool
	// caFile is the CA file that Postfix loads with them, or empty.
	caFile string
	mark   func(*Certificate)
}

// inUse reads the certificates that the configuration names.
func (f *Facts) inUse(m host.Reader, s *mastercf.Service, prefix string, mark func(*Certificate)) {
	groups, origin := f.CertificateFiles(s, prefix)
	u := use{origin, f.Config.Text(s, prefix+"chain_files") != "", f.Config.Text(s, prefix+"CAfile"), mark}
	if u.caFile != "" {
		f.InspectCA(m, u.caFile)
	}
	f.readRelative(m, s, prefix)
	for _, paths := range groups {
		f.addCertificates(m, paths, "", nil, &u)
	}
}

// readRelative reads the files that are named by a relative path, and notes that path.
func (f *Facts) readRelative(m host.Reader, s *mastercf.Service, prefix string) {
	names := []string{"chain_files"}
	for _, p := range pairs {
		names = append(names, p[0], p[1])
	}
	for _, name := range names {
		for _, path := range postfix.List(f.Config.Text(s, prefix+name)) {
			if filepath.IsAbs(path) || path == "none" {
				continue
			}
			p := f.readPEM(m, f.absolute(path))
			p.Relative = path
			f.PEM[f.absolute(path)] = p
		}
	}
}

// absolute is where Postfix finds the file at a path: its daemons run in the queue
// directory.
func (f *Facts) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(f.Config.Text(nil, "queue_directory"), path)
}

// addCertificates makes one Certificate of each chain in the files, as long as b
// allows. u is nil for files that the configuration does not use.
func (f *Facts) addCertificates(m host.Reader, paths []string, owner string, b *budget, u *use) {
	named := paths
	paths = slices.Compact(slices.Clone(paths))
	var all certs.Bundle
	if b == nil {
		f.Inspect(m, paths)
	} else {
		for _, p := range paths { // and no other files, which would not be counted
			all.Add(f.readPEM(m, p).Bundle)
		}
	}
	if !b.check(len(all.Keys)) || !b.check(signatureChecks(all.Certs)) {
		return
	}
	if owner == "" {
		owner = f.Renewer(paths[len(paths)-1])
	}
	base := Certificate{Owner: owner, KeyMatch: Unknown, Chain: paths[len(paths)-1], Key: paths[0]}
	put, mark := f.Chains, func(*Certificate) {}
	if u != nil {
		base.Origin, base.caFile, base.Refused, mark = u.origin, u.caFile, f.refused(named, u.chainFiles), u.mark
		put = func(paths ...string) ([]Chain, []string, error) { return f.sent(u.caFile, paths...) }
	}
	for _, p := range paths {
		base.Exposed = append(base.Exposed, f.PEM[p].Exposed...)
		base.Unjudged = errors.Join(base.Unjudged, f.PEM[p].Unjudged)
	}
	chains, unread, err := put(paths...)
	for _, p := range unread {
		f.unseen(p, fs.ErrPermission)
	}
	if err != nil || len(chains) == 0 {
		base.Err, base.Refused = err, ""
		if err == nil {
			base.Err = fmt.Errorf("%s: %w", strings.Join(unread, ", "), fs.ErrPermission)
		}
		if errors.Is(err, certs.ErrMismatch) {
			base.KeyMatch = No
		}
		f.keep(base, mark)
		return
	}
	for _, c := range chains {
		if !b.check(2 * (1 + signatureChecks(c.Certs))) { // for the facts, and for trust
			return
		}
		one := base
		one.Facts, one.Trusted = c.Facts, f.trusts(c.Chain)
		if c.Added > 0 && u != nil {
			one.CompletedBy = u.caFile
		}
		for _, p := range paths {
			if slices.ContainsFunc(f.PEM[p].Certs, c.Leaf().Equal) {
				one.Chain = p
			}
			for _, k := range f.PEM[p].Keys {
				if certs.Same(k.Public, c.Leaf().PublicKey) {
					one.Key, one.KeyMatch = p, Yes
				}
			}
		}
		f.keep(one, mark)
	}
}

// refused is why Postfix does not load the files as they are named; empty if it does,
// or if not all of them could be read.
func (f *Facts) refused(paths []string, chainFiles bool) string {
	var all certs.Bundle
	for _, p := range paths {
		if f.PEM[p].Err != nil {
			return ""
		}
		all.Add(f.PEM[p].Bundle)
	}
	if chainFiles {
		return all.Refusal()
	}
	return certs.PairRefusal(f.PEM[paths[len(paths)-1]].Bundle, f.PEM[paths[0]].Bundle)
}

// trusts reports whether a CA that the distribution trusts, or that this server trusts
// when it sends, has issued the leaf, by the certificates in the chain.
func (f *Facts) trusts(c certs.Chain) bool {
	roots, more := x509.NewCertPool(), x509.NewCertPool()
	for _, r := range slices.Concat(f.Bundle.Certs, f.CAFiles[f.Config.Text(nil, "smtp_tls_CAfile")].Certs) {
		roots.AddCert(r)
	}
	for _, i := range slices.Concat(c.Certs[1:], f.intermediates()) {
		more.AddCert(i)
	}
	// When the leaf is valid, and for what, is judged apart.
	at := f.Now
	if leaf := c.Leaf(); at.After(leaf.NotAfter) {
		at = leaf.NotAfter
	} else if at.Before(leaf.NotBefore) {
		at = leaf.NotBefore
	}
	_, err := c.Leaf().Verify(x509.VerifyOptions{Roots: roots, Intermediates: more, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err == nil
}

// keep adds c, or marks the entry that is there for the same files and, if the
// configuration uses c, that Postfix loads in the same way.
func (f *Facts) keep(c Certificate, mark func(*Certificate)) {
	i := slices.IndexFunc(f.Certificates, func(d Certificate) bool {
		return d.Chain == c.Chain && d.Key == c.Key && d.Fingerprint == c.Fingerprint &&
			(c.Origin == postfix.Origin{} || d.Refused == c.Refused && d.CompletedBy == c.CompletedBy)
	})
	if i < 0 {
		f.Certificates = append(f.Certificates, c)
		i = len(f.Certificates) - 1
	}
	mark(&f.Certificates[i])
}

// ShownCertificates are those that listeners show: by main.cf, or as their own.
func (f *Facts) ShownCertificates() []Certificate {
	return slices.DeleteFunc(slices.Clone(f.Certificates), func(c Certificate) bool { return !c.Shown() })
}

// ServerCertificates are those that main.cf names for receiving.
func (f *Facts) ServerCertificates() []Certificate {
	return slices.DeleteFunc(slices.Clone(f.Certificates), func(c Certificate) bool { return !c.Server })
}

// ClientCertificates are those that main.cf names for sending.
func (f *Facts) ClientCertificates() []Certificate {
	return slices.DeleteFunc(slices.Clone(f.Certificates), func(c Certificate) bool { return !c.Client })
}

// NamesFor are the names that a certificate should cover: those by which it is chosen,
// and else those of this server. Under which names clients
// reach a service that has a certificate of its own is not known, unless other servers
// deliver to it at any address of this machine.
func (f *Facts) NamesFor(c Certificate) (names []string) {
	for _, key := range c.SNI {
		below := func(name string) bool { return strings.HasSuffix(strings.ToLower(name), key) }
		if !strings.HasPrefix(key, ".") {
			names = append(names, key)
		} else if !slices.ContainsFunc(c.Names, below) {
			names = append(names, "*"+key)
		}
	}
	if len(c.SNI) > 0 {
		return names
	}
	if c.Server || len(c.Services) == 0 || slices.ContainsFunc(f.Receives(Relay), func(l Listener) bool {
		host, _ := endpoint(l.Service.Name)
		return host == "" && slices.Contains(c.Services, l.Service.ID())
	}) {
		return f.NeededNames()
	}
	return nil
}
