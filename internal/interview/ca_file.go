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

// caFile chooses smtp_tls_CAfile: whom this server believes when it sends.
var caFile = &ask.Question[string, Facts]{
	Key:     "ca-file",
	Section: SectionSending,
	Title:   "Which CA certificates should count when this server sends?",
	Why:     "Without any, every destination is Untrusted in the log, and no destination can be held to its certificate.",
	Help: `Postfix trusts no CA by itself. The file of the distribution is read before Postfix goes into its chroot,
unlike a folder (smtp_tls_CApath). A file that does not exist is worse than none: Postfix then sends
everything in clear text, without a warning.`,
	Choices:     []ask.Choice[string]{{Value: "", Name: "none", Help: "every destination stays Untrusted"}},
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
			out = append(out, ask.Choice[string]{Value: f.Bundle.Path, Name: f.Bundle.Path, Help: fmt.Sprintf("of the distribution, %d CAs", len(f.Bundle.Certs))})
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
			return suggest(f.Bundle.Path, ask.Detected, "the file in use holds the certificate of this server; this is the distribution's")
		case present != "" && seen && b.Err == nil && isCA(f, present):
			return suggest(present, ask.Detected, "it is in use now")
		case f.Bundle.Err == nil && present != "":
			return suggest(f.Bundle.Path, ask.Detected, "the file in use holds no CA certificates; this is the distribution's")
		case f.Bundle.Err == nil:
			return suggest(f.Bundle.Path, ask.Detected, "the distribution keeps it up to date")
		}
		return suggest("", ask.Default, "no collection of CA certificates was found here")
	},
	Check: func(v string, f Facts, _ *ask.Answers) error {
		if v == "" {
			return nil
		}
		switch b, seen := f.CAFiles[v]; {
		case !seen:
			return fmt.Errorf("%s was not looked at", v)
		case b.Err != nil:
			return hint.Wrap(b.Err, "the distribution's is usually /etc/ssl/certs/ca-certificates.crt; install ca-certificates")
		case !isCA(f, v):
			return hint.New(v+" holds no CA certificate: nobody would be trusted", "name the file of the CAs, not your own certificate")
		}
		return nil
	},
	Now: func(f Facts) string { return now(f, "smtp_tls_CAfile") },
}

// holdsOwn reports whether a file holds a certificate that this server shows: it is a
// chain then, and no collection of CA certificates.
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
