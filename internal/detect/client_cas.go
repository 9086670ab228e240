package detect

import (
	"bytes"
	"crypto/x509"
	"path/filepath"
	"regexp"
	"slices"

	"postseal/internal/host"
	"postseal/internal/postfix/mastercf"
)

// added are where an administrator puts CA certificates that the tools of a
// distribution then add to its own (update-ca-certificates(8), update-ca-trust(8)).
var added = []string{
	"/usr/local/share/ca-certificates",          // Debian, Ubuntu, Alpine
	"/etc/pki/ca-trust/source/anchors",          // Fedora, RHEL
	"/etc/pki/trust/anchors",                    // SUSE
	"/etc/ca-certificates/trust-source/anchors", // Arch
}

// hashed is the name of a file in a folder of CA certificates under which OpenSSL
// finds it (openssl-rehash(1)).
var hashed = regexp.MustCompile(`^[0-9a-f]{8}\.[0-9]+$`)

// maxCAFiles is how many files in one folder of CA certificates are read: several
// times what a distribution has.
const maxCAFiles = 2000

// findClientCAs reads the CA certificates by which each smtpd that asks for client
// certificates judges them. Where nobody is asked, nothing is read: the folder of a
// distribution has hundreds of files.
func (f *Facts) findClientCAs(m host.Reader) {
	asked := false
	for _, s := range f.Config.Master.Services() {
		if s.Program() != "smtpd" || !f.AsksCertificate(s) {
			continue
		}
		asked = true
		if p := f.Config.Text(&s, "smtpd_tls_CAfile"); p != "" {
			f.InspectCA(m, p)
		}
		if p := f.Config.Text(&s, "smtpd_tls_CApath"); p != "" {
			f.inspectCAFolder(m, p)
		}
	}
	if !asked {
		return
	}
	for _, dir := range added {
		for _, pattern := range []string{"/*", "/*/*"} {
			paths, _ := m.Glob(dir + pattern)
			for _, p := range paths[:min(len(paths), maxCAFiles)] {
				f.AddedCAs = append(f.AddedCAs, readCAs(m, p).Certs...)
			}
		}
	}
}

// inspectCAFolder reads a folder of CA certificates (postconf(5), smtpd_tls_CApath).
func (f *Facts) inspectCAFolder(m host.Reader, path string) {
	if _, ok := f.CAFiles[path]; ok {
		return
	}
	names, err := m.ReadDir(path, maxCAFiles)
	all := CABundle{Path: path, Err: err}
	for _, name := range names {
		if hashed.MatchString(name) {
			one := readCAs(m, filepath.Join(path, name))
			all.Certs = append(all.Certs, one.Certs...)
			for _, why := range one.Skipped {
				all.Skipped = append(all.Skipped, name+": "+why)
			}
		}
	}
	f.CAFiles[path] = all
}

// AsksCertificate reports whether a service asks its clients for a certificate.
func (f *Facts) AsksCertificate(s mastercf.Service) bool {
	level := ServerLevel(func(name string) string { return f.Config.Text(&s, name) })
	return level != "none" && (f.Config.Bool(&s, "smtpd_tls_ask_ccert") || level == "encrypt" && f.Config.Bool(&s, "smtpd_tls_req_ccert"))
}

// PublicCA reports whether a CA certificate is one that the distribution brings: its
// CA issues certificates to everyone. A CA that the administrator has added to those
// of the distribution is not public.
func (f *Facts) PublicCA(c *x509.Certificate) bool {
	same := func(d *x509.Certificate) bool {
		return bytes.Equal(c.RawSubject, d.RawSubject) && bytes.Equal(c.RawSubjectPublicKeyInfo, d.RawSubjectPublicKeyInfo)
	}
	return slices.ContainsFunc(f.Bundle.Certs, same) && !slices.ContainsFunc(f.AddedCAs, same)
}
