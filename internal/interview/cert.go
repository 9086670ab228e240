package interview

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

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
give --cert and --key twice. Most senders do not check names. Those that use MTA-STS do, and those that use DANE
with a record of a CA (usage 2); with a record of the server's own key (usage 3), they do not (RFC 7672).`,
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
	Needs:  "a role that takes mail: --role router or mailserver",
	Offer: func(f Facts, _ *ask.Answers) []ask.Choice[string] {
		var out []ask.Choice[string]
		for _, c := range f.Certificates {
			if usable(c) && len(c.Services)+len(c.SNI) == 0 && (!c.Client || c.Server) && (c.ServerUse || c.Err != nil) {
				out = append(out, ask.Choice[string]{Value: c.Chain, Name: c.Chain, Help: describe(f, c)})
			}
		}
		return append(out, ask.Choice[string]{Value: "none", Name: "none", Help: "no TLS for those who deliver here"})
	},
	Suggest: func(f Facts, _ *ask.Answers) ask.Suggestion[[]string] {
		var paths, good []string
		behind, kept := "", ""
		for _, c := range f.ServerCertificates() {
			paths = append(paths, c.Chain)
			against := sourceDoubts(f, c)
			if c.Source != "" && len(against) == 0 {
				good, behind = append(good, c.Source), c.Owner
			} else if usable(c) {
				good = append(good, c.Chain)
				if c.Source != "" {
					kept = fmt.Sprintf("; it is a copy of %.100q, which %s renews and which is not proposed: %s", c.Source, c.Owner, against[0])
				}
			}
		}
		switch best, doubt := bestCandidate(f); {
		case behind != "":
			return suggest(slices.Compact(good), ask.Detected, "%s renews it there; the file in use now is a copy, and would stay behind%s", behind, kept)
		case len(good) > 0:
			return suggest(slices.Compact(good), ask.Detected, "it is in use now%s", kept)
		case len(paths) > 0: // what takes its place is for a person to say
			why := "the certificate in use is broken: " + problemOf(f)
			if best != "" {
				why += "; " + best + " lies here too, and names this server"
			} else {
				why += "; postseal cert self-signed makes one that lets mail come in encrypted meanwhile"
			}
			return ask.Suggestion[[]string]{Why: why}
		case best != "":
			return suggest([]string{best}, ask.Detected, "it was found here and names this server")
		case len(demanding(f)) > 0: // without TLS nobody could send there, or what is protected now would not be
			why := strings.Join(demanding(f), ", ") + " demands TLS, and there is no certificate: nobody can send there"
			if doubt != "" {
				why += "; " + doubt
			}
			return ask.Suggestion[[]string]{Why: why + ". postseal cert self-signed makes one at once, postseal cert obtain orders one"}
		case doubt != "":
			return suggest(noCertificate, ask.Default, "%s; give one with --cert", doubt)
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

// demanding are the listeners that demand TLS.
func demanding(f Facts) (out []string) {
	for _, l := range f.Listeners {
		if l.Level == "encrypt" {
			out = append(out, l.Service.ID())
		}
	}
	return out
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

// bestCandidate is a certificate that is not in use but could be. It is proposed without
// being asked for, so that only root may be able to change it, and a CA that is trusted
// here, or an order of ours, must stand behind it. Else doubt says of the first why it
// is not proposed.
func bestCandidate(f Facts) (path, doubt string) {
	for _, c := range f.Certificates {
		if c.Err != nil || len(c.Services)+len(c.SNI) > 0 || c.KeyMatch != detect.Yes || f.Now.After(c.NotAfter) || f.Now.Before(c.NotBefore) || !c.ServerUse || !c.Covers(f.Hostname) {
			continue
		}
		why := doubts(c)
		if len(why) == 0 {
			return c.Chain, ""
		}
		if doubt == "" {
			doubt = fmt.Sprintf("%.100q names this server but is not proposed: %s", c.Chain, why[0])
		}
	}
	return "", doubt
}

// sourceDoubts are why the file of which a certificate is a copy is not proposed in its
// place: what holds for a certificate that is not in use holds for this one too.
func sourceDoubts(f Facts, c detect.Certificate) (out []string) {
	for _, d := range f.Certificates {
		if d.Chain == c.Source && d.Err == nil {
			out = append(out, doubts(d)...)
		}
	}
	return out
}

// doubts are why a certificate is only used if a person wants it.
func doubts(c detect.Certificate) []string {
	out := c.Doubts()
	if err := absolute(c.Chain); err != nil {
		out = append(out, err.Error())
	}
	return out
}

func problemOf(f Facts) string {
	for _, c := range f.ServerCertificates() {
		if c.Err != nil {
			return c.Fault()
		}
	}
	return "unknown"
}

// describe is one line about a certificate that can be chosen.
func describe(f Facts, c detect.Certificate) string {
	if c.Err != nil {
		return c.Fault()
	}
	parts := []string{strings.Join(c.Names, ", "), c.Algorithm, until(f, c.NotAfter)}
	parts = append(parts, doubts(c)...)
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

// absolute refuses paths that mean another file in another working directory, and
// control characters.
func absolute(path string) error {
	switch {
	case strings.ContainsFunc(path, hint.Hidden):
		return fmt.Errorf("%.60q: control character in a path", path)
	case !filepath.IsAbs(path):
		return hint.New(fmt.Sprintf("%.60q is not an absolute path", path), "use an absolute path, such as /etc/ssl/example.pem")
	}
	return nil
}
