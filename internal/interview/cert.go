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

// cert chooses the certificate that the server presents to senders.
var cert = &ask.Question[[]string, Facts]{
	Key:     "cert",
	Section: SectionCertificate,
	Title:   "Server certificate",
	Why:     "Verifying senders check its name and chain. postseal stores key and chain in one file, so that a renewal replaces both at once.",
	Help: `Give the file with the certificate and its issuers ("fullchain"), in any order: postseal writes the key first
and then the chain in order, as smtpd_tls_chain_files requires, to a file of its own (mode 0600). If an ACME
client renews the files in place (certbot, dehydrated), Postfix reads them directly instead: a copy would become
outdated at the next renewal. Two certificates, one RSA and one ECDSA, serve old and new senders alike: give
--cert and --key twice. Most senders do not check names. Senders with MTA-STS do, and so do senders with DANE if
the record is for a CA (usage 2), but not if it is for the server's own key (usage 3) (RFC 7672).`,
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
	Needs:  "a role that receives mail: --role router or mailserver",
	Offer: func(f Facts, _ *ask.Answers) []ask.Choice[string] {
		var out []ask.Choice[string]
		for _, c := range f.Certificates {
			if usable(c) && len(c.Services)+len(c.SNI) == 0 && (!c.Client || c.Server) && (c.ServerUse || c.Err != nil) {
				out = append(out, ask.Choice[string]{Value: c.Chain, Name: c.Chain, Help: describe(f, c)})
			}
		}
		return append(out, ask.Choice[string]{Value: "none", Name: "none", Help: "no TLS for incoming mail"})
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
					kept = fmt.Sprintf("; it is a copy of %.100q, which %s renews but which is not suggested: %s", c.Source, c.Owner, against[0])
				}
			}
		}
		switch best, doubt := bestCandidate(f); {
		case behind != "":
			return suggest(slices.Compact(good), ask.Detected, "%s renews it there; the file in use now is a copy and would become outdated%s", behind, kept)
		case len(good) > 0:
			return suggest(slices.Compact(good), ask.Detected, "it is in use now%s", kept)
		case len(paths) > 0: // what takes its place is for a person to say
			why := "the certificate in use is broken: " + problemOf(f)
			if best != "" {
				why += "; " + best + " was also found here and names this server"
			} else {
				why += "; postseal cert self-signed creates one, so that mail can arrive encrypted in the meantime"
			}
			return ask.Suggestion[[]string]{Why: why}
		case best != "":
			return suggest([]string{best}, ask.Detected, "it was found here and names this server")
		case len(demanding(f)) > 0: // without TLS nobody could send there, or what is protected now would not be
			why := strings.Join(demanding(f), ", ") + " requires TLS, but there is no certificate: no client can send there"
			if doubt != "" {
				why += "; " + doubt
			}
			return ask.Suggestion[[]string]{Why: why + ". postseal cert self-signed creates one at once, postseal cert obtain orders one from a CA"}
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

// demanding returns the listeners that require TLS.
func demanding(f Facts) (out []string) {
	for _, l := range f.Listeners {
		if l.Level == "encrypt" {
			out = append(out, l.Service.ID())
		}
	}
	return out
}

// checkChains checks that files form valid chains for a use. Files that this user
// may not read are not counted as faulty.
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
			all = append(all, hint.New(fmt.Sprintf("the certificate has expired (%s)", what), "renew it, or use another file"))
		case f.Now.Before(facts.NotBefore):
			all = append(all, fmt.Errorf("the certificate is not valid before %s (%s)", facts.NotBefore.UTC().Format(time.RFC3339), what))
		case !allowed(facts):
			all = append(all, fmt.Errorf("the certificate is not valid for a %s: its extended key usage does not include it (%s)", use, what))
		}
	}
	return errors.Join(all...)
}

// usable reports whether no fault of a certificate is known; a file that this user
// may not read is not counted as faulty.
func usable(c detect.Certificate) bool { return c.Err == nil || errors.Is(c.Err, fs.ErrPermission) }

// bestCandidate returns a certificate that is not in use but could be. It is suggested
// unasked, so only root may be able to change it, and it must come from a CA that is
// trusted here or from an order of ours. Otherwise doubt says why the first one is not
// suggested.
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
			doubt = fmt.Sprintf("%.100q names this server but is not suggested: %s", c.Chain, why[0])
		}
	}
	return "", doubt
}

// sourceDoubts returns why the file of which a certificate is a copy is not suggested in
// its place: it must meet the same conditions as a certificate that is not in use.
func sourceDoubts(f Facts, c detect.Certificate) (out []string) {
	for _, d := range f.Certificates {
		if d.Chain == c.Source && d.Err == nil {
			out = append(out, doubts(d)...)
		}
	}
	return out
}

// doubts returns why a certificate is only used if the administrator asks for it.
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

// describe returns one line about a certificate that can be chosen.
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

// absolute refuses relative paths, which depend on the working directory, and control
// characters.
func absolute(path string) error {
	switch {
	case strings.ContainsFunc(path, hint.Hidden):
		return fmt.Errorf("%.60q: control character in a path", path)
	case !filepath.IsAbs(path):
		return hint.New(fmt.Sprintf("%.60q is not an absolute path", path), "use an absolute path, such as /etc/ssl/example.pem")
	}
	return nil
}
