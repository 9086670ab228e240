package interview

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"

	"postseal/internal/ask"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/postfix"
)

// caFile chooses smtp_tls_CAfile: the CAs that this server trusts when it sends.
var caFile = &ask.Question[string, Facts]{
	Key:     "ca-file",
	Section: SectionSending,
	Title:   "CA certificates to trust when sending",
	Why:     "Without them every destination is logged as Untrusted, and none can be authenticated by its certificate.",
	Help: `Postfix trusts no CA by default. It reads the distribution's bundle before it enters its chroot, unlike a
directory (smtp_tls_CApath). A file that does not exist is worse than none: Postfix then sends all mail in
cleartext, without a warning.`,
	Choices:     []ask.Choice[string]{{Value: "", Name: "none", Help: "every destination is logged as Untrusted"}},
	Placeholder: "/path/to/ca-bundle.pem",
	Parse: func(texts []string) (string, error) {
		if err := postfix.CheckSinglePath(texts[0]); err != nil {
			return "", err
		}
		return one(texts)
	},
	Format: func(v string) []string {
		if v == "" {
			return []string{"none"}
		}
		return []string{v}
	},
	Offer: func(f Facts, _ *ask.Answers) []ask.Choice[string] {
		var out []ask.Choice[string]
		if f.Bundle.Err == nil {
			out = append(out, ask.Choice[string]{Value: f.Bundle.Path, Name: f.Bundle.Path, Help: fmt.Sprintf("from the distribution, %d CAs", len(f.Bundle.Certs))})
		}
		if p := f.Config.Text(nil, "smtp_tls_CAfile"); p != "" && p != f.Bundle.Path {
			out = append(out, ask.Choice[string]{Value: p, Name: p, Help: "in use now"})
		}
		return out
	},
	Suggest: func(f Facts, _ *ask.Answers) ask.Suggestion[string] {
		present := f.Config.Text(nil, "smtp_tls_CAfile")
		b, seen := f.CAFiles[present]
		switch {
		case present != "" && f.Bundle.Err == nil && holdsOwn(f, present):
			return suggest(f.Bundle.Path, ask.Detected, "the current file holds this server's own certificate; this is the distribution's bundle")
		case present != "" && seen && b.Err == nil && isCA(f, present):
			return suggest(present, ask.Detected, "it is in use now")
		case f.Bundle.Err == nil && present != "":
			return suggest(f.Bundle.Path, ask.Detected, "the current file holds no CA certificates; this is the distribution's bundle")
		case f.Bundle.Err == nil:
			return suggest(f.Bundle.Path, ask.Detected, "the distribution keeps it up to date")
		}
		return suggest("", ask.Default, "no CA bundle was found here")
	},
	Check: func(v string, f Facts, _ *ask.Answers) error {
		if v == "" {
			return nil
		}
		switch b, seen := f.CAFiles[v]; {
		case !seen:
			return fmt.Errorf("%s was not examined", v)
		case b.Err != nil:
			return hint.Wrap(b.Err, "install the package ca-certificates; its bundle is usually /etc/ssl/certs/ca-certificates.crt")
		case !isCA(f, v):
			return hint.New(v+" holds no CA certificate: no server would be trusted", "name the file with the CA certificates, not your own certificate")
		}
		return nil
	},
	Now: func(f Facts) string { return now(f, "smtp_tls_CAfile") },
}

// holdsOwn reports whether a file holds a certificate that this server presents: it is
// then a chain and not a CA bundle.
func holdsOwn(f Facts, path string) bool {
	return slices.ContainsFunc(f.CAFiles[path].Certs, func(c *x509.Certificate) bool {
		sum := sha256.Sum256(c.Raw)
		return !c.IsCA && slices.ContainsFunc(f.Certificates, func(own detect.Certificate) bool {
			return own.InUse() && own.Fingerprint == hex.EncodeToString(sum[:])
		})
	})
}

// isCA reports whether a file holds at least one certificate that can sign others.
func isCA(f Facts, path string) bool {
	return slices.ContainsFunc(f.CAFiles[path].Certs, isAuthority)
}
