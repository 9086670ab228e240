package interview

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"postseal/certs"
	"postseal/internal/ask"
	"postseal/internal/detect"
	"postseal/internal/hint"
)

// noCertificate is the answer for a server without one.
var noCertificate = []string{"none"}

// cert chooses what the server shows to those who deliver.
var cert = &ask.Question[[]string, Facts]{
	Key:     "cert",
	Section: SectionCertificate,
	Title:   "Which certificate should this server show?",
	Why:     "Senders that check see this name and chain. Key and chain are put into one file, so that a renewal cannot mix old and new.",
	Help: `Give the file with the certificate and those of its issuers ("fullchain"). Order does not matter: postseal
puts the key first and the chain in order, as smtpd_tls_chain_files wants it, in a file of its own (mode 0600).
Files that an ACME client renews in place (certbot, dehydrated) are named to Postfix directly instead: a copy
would go stale at the next renewal. Two certificates, one RSA and one ECDSA, serve old and new senders alike:
give --cert and --key twice. Most senders do not check names; those that use DANE or MTA-STS do.`,
	Many:        true,
	Placeholder: "/path/to/fullchain.pem",
	Parse: func(texts []string) ([]string, error) {
		for _, t := range texts {
			if err := absolute(t); err != nil && !slices.Equal(texts, noCertificate) {
				return nil, err
			}
		}
		return texts, nil
	},
	Format: func(v []string) []string { return v },
	When:   receives,
	Offer: func(f Facts, _ *ask.Answers) []ask.Choice[string] {
		var out []ask.Choice[string]
		for _, c := range f.Certificates {
			if usable(c) && c.Service == "" && (!c.Client || c.Server) && (c.ServerUse || c.Err != nil) {
				out = append(out, ask.Choice[string]{Value: c.Chain, Name: c.Chain, Help: describe(f, c)})
			}
		}
		return append(out, ask.Choice[string]{Value: "none", Name: "none", Help: "no TLS for those who deliver here"})
	},
	Suggest: func(f Facts, _ *ask.Answers) ask.Suggestion[[]string] {
		var paths, good []string
		behind := ""
		for _, c := range f.ServerCertificates() {
			paths = append(paths, c.Chain)
			if absolute(c.Source) == nil {
				good, behind = append(good, c.Source), c.Owner
			} else if usable(c) {
				good = append(good, c.Chain)
			}
		}
		switch best := bestCandidate(f); {
		case behind != "":
			return suggest(slices.Compact(good), ask.Detected, "%s renews it there; the file in use now is a copy, and would stay behind", behind)
		case len(good) > 0:
			return suggest(slices.Compact(good), ask.Detected, "it is in use now")
		case len(paths) > 0: // what takes its place is for a person to say
			why := "the certificate in use is broken: " + problemOf(f)
			if best != "" {
				why += "; " + best + " lies here too, and names this server"
			}
			return ask.Suggestion[[]string]{Why: why}
		case best != "":
			return suggest([]string{best}, ask.Detected, "it was found here and names this server")
		}
		return suggest(noCertificate, ask.Default, "no certificate was found; give one with --cert")
	},
	Files: func(v []string) []string {
		if slices.Equal(v, noCertificate) {
			return nil
		}
		return v
	},
	Check: func(v []string, f Facts, _ *ask.Answers) error {
		if slices.Equal(v, noCertificate) {
			return nil
		}
		return checkChains(f, v, func(c certs.Facts) bool { return c.ServerUse }, "server")
	},
	Now: func(f Facts) string {
		var out []string
		for _, c := range f.ServerCertificates() {
			out = append(out, c.Chain+" ("+c.Origin.String()+")")
		}
		if out == nil {
			return "none"
		}
		return strings.Join(out, ", ")
	},
}

// checkChains looks whether files make usable chains for a use. What this
// user may not read is not held against them.
func checkChains(f Facts, paths []string, allowed func(certs.Facts) bool, use string) error {
	chains, _, err := f.Chains(paths...)
	if err != nil {
		return err
	}
	var all []error
	for _, c := range chains {
		facts := c.Facts
		what := certs.Describe(c.Leaf())
		switch {
		case f.Now.After(facts.NotAfter):
			all = append(all, hint.New(fmt.Sprintf("the certificate has expired (%s)", what), "get a new one, or name another file"))
		case f.Now.Before(facts.NotBefore):
			all = append(all, fmt.Errorf("the certificate is not valid before %s (%s)", facts.NotBefore.UTC().Format(time.RFC3339), what))
		case !allowed(facts):
			all = append(all, fmt.Errorf("the certificate may not be used by a %s: its extended key usage says so (%s)", use, what))
		}
	}
	return errors.Join(all...)
}

// usable says that nothing is known against a certificate; what this user may
// not read is not held against it.
func usable(c detect.Certificate) bool { return c.Err == nil || errors.Is(c.Err, fs.ErrPermission) }

// bestCandidate is a certificate that is not in use but could be.
func bestCandidate(f Facts) string {
	best, found := detect.Certificate{}, false
	for _, c := range f.Certificates {
		if c.Err != nil || c.Service != "" || c.KeyMatch != detect.Yes || f.Now.After(c.NotAfter) || !c.ServerUse || !c.Covers(f.Hostname) {
			continue
		}
		if !found || best.SelfSigned && !c.SelfSigned {
			best, found = c, true
		}
	}
	return best.Chain
}

func problemOf(f Facts) string {
	for _, c := range f.ServerCertificates() {
		if c.Err != nil {
			return c.Err.Error()
		}
	}
	return "unknown"
}

// describe is one line about a certificate that can be chosen.
func describe(f Facts, c detect.Certificate) string {
	if c.Err != nil {
		return c.Err.Error()
	}
	parts := []string{strings.Join(c.Names, ", "), c.Algorithm, until(f, c.NotAfter)}
	if c.SelfSigned {
		parts = append(parts, "self-signed")
	}
	switch {
	case c.Source != "":
		parts = append(parts, "a copy: "+c.Owner+" renews "+c.Source)
	case c.Owner != "":
		parts = append(parts, "renewed by "+c.Owner)
	}
	return strings.Join(parts, " · ")
}

func until(f Facts, end time.Time) string {
	if f.Now.After(end) {
		return "expired " + end.UTC().Format(time.DateOnly)
	}
	return "until " + end.UTC().Format(time.DateOnly)
}

// absolute refuses paths that Postfix would read from another folder, and
// characters that split a list in main.cf.
func absolute(path string) error {
	switch {
	case !filepath.IsAbs(path):
		return hint.New(fmt.Sprintf("%.60q is not a full path", path), "start it with /")
	case strings.ContainsFunc(path, unicode.IsControl):
		return fmt.Errorf("%.60q: a path with a control character", path)
	case strings.ContainsAny(path, " ,${}"):
		return fmt.Errorf("%.60q: Postfix cannot read a path with a blank, comma, dollar or brace", path)
	}
	return nil
}
