package detect

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"postseal/certs"
	"postseal/internal/dane"
	"postseal/internal/host"
	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
)

// OpenSSLAtLeast reports whether the library in use is known to be this release or a later
// one.
func (f *Facts) OpenSSLAtLeast(major, minor int) bool {
	var x, y int
	if _, err := fmt.Sscanf(f.OpenSSL, "OpenSSL %d.%d", &x, &y); err != nil {
		return false
	}
	return x > major || x == major && y >= minor
}

// Published finds the TLSA records of mail servers for port 25, as senders do. Through a
// resolver that is not known to validate, the state of each is Unknown.
func Published(ctx context.Context, m host.Reader, r Resolver, names []string) []dane.Host {
	out := make([]dane.Host, len(names))
	var wg sync.WaitGroup
	for i, n := range names {
		wg.Go(func() {
			out[i] = dane.Resolve(ctx, r.Ask(m), n, "25").Everywhere(ctx, r.Ask(m)).Doubted(r.Validates == Yes, r.Why)
		})
	}
	wg.Wait()
	return out
}

// publish notes what is published for this server.
func (f *Facts) publish(all []dane.Host) {
	f.DANE, f.TLSA, f.Doubtful, f.Unanswered = all, map[string][]certs.TLSA{}, map[string][]certs.TLSA{}, map[string]string{}
	for _, h := range all {
		switch {
		case h.State == dane.Secure:
			f.TLSA[h.Base] = h.Set
		case h.State == dane.Insecure:
			f.Unproved = append(f.Unproved, h.Name)
		case h.State == dane.Unknown && len(h.Values) > 0:
			f.Doubtful[h.Base] = h.Set
		case h.State == dane.Unknown && !h.Answered:
			f.Unanswered[h.Name] = h.Why
		}
	}
	slices.Sort(f.Unproved)
}

// MailNames returns the names of which a certificate must have one where a TLSA record
// of usage 2 decides: the one under which the records are found, or the domain that the
// mail is for. A server for several domains needs the first for all of them.
func (f *Facts) MailNames(base string) []string {
	if domains, _ := f.Domains(); len(domains) == 1 {
		return []string{base, domains[0]}
	}
	return []string{base}
}

// ServedChains returns the chains that listeners present now.
func (f *Facts) ServedChains() (out [][]*x509.Certificate) {
	for _, c := range f.ServerCertificates() {
		if c.Err != nil {
			continue
		}
		found, _, _ := f.Chains(c.Chain)
		for _, one := range found {
			out = append(out, one.Certs)
		}
	}
	return out
}

// Judge inspects what lies in a file, with its key if that is found, against
// w. There is one inspection for each chain in it.
func (f *Facts) Judge(m host.Reader, path string, w certs.Want) ([]certs.Inspection, error) {
	f.Inspect(m, []string{path})
	return f.JudgeSeen(path, w)
}

// JudgeSeen is Judge for a file that was looked at before.
func (f *Facts) JudgeSeen(path string, w certs.Want) ([]certs.Inspection, error) {
	i := slices.IndexFunc(f.Certificates, func(c Certificate) bool { return c.Chain == path && c.InUse() })
	if i < 0 {
		return f.judge(path, f.Chains, "", w)
	}
	return f.JudgeUse(f.Certificates[i], w)
}

// JudgeUse is JudgeSeen for a certificate as the configuration uses it.
func (f *Facts) JudgeUse(c Certificate, w certs.Want) ([]certs.Inspection, error) {
	if !c.InUse() {
		return f.judge(c.Chain, f.Chains, "", w)
	}
	sent := func(paths ...string) ([]Chain, []string, error) { return f.sent(c.caFile, paths...) }
	return f.judge(c.Chain, sent, c.Refused, w)
}

// judge inspects the chains in a file as put puts them together. refused is why Postfix
// does not load it, if that is known.
func (f *Facts) judge(path string, put func(...string) ([]Chain, []string, error), refused string, w certs.Want) ([]certs.Inspection, error) {
	paths := []string{path}
	if key, own, ok := f.KeyFor(path); ok && !own {
		paths = []string{key, path}
	}
	p := f.PEM[path]
	chains, unread, err := put(paths...)
	if errors.Is(err, certs.ErrMismatch) && len(paths) == 2 {
		chains, unread, err = put(path)
	}
	switch {
	case err != nil:
		return nil, err
	case len(chains) == 0:
		return nil, fmt.Errorf("%s: %w", strings.Join(unread, ", "), fs.ErrPermission)
	}
	var out []certs.Inspection
	for _, c := range chains {
		i := c.Inspect(w)
		keyed := func(k certs.Key) bool { return certs.Same(k.Public, c.Leaf().PublicKey) }
		if at := slices.IndexFunc(paths, func(q string) bool { return slices.ContainsFunc(f.PEM[q].Keys, keyed) }); at >= 0 {
			i.Add("key", certs.Good, "the private key belongs to it: %s", paths[at])
		} else if len(unread) > 0 {
			i.Add("key", certs.Unknown, "not compared, since it cannot be read: %s", strings.Join(unread, ", "))
		}
		if refused != "" {
			i.Add("loading", certs.Bad, "Postfix cannot load it as configured: %s", refused)
		} else if len(p.Keys) > 0 {
			switch why := p.Refusal(); {
			case why == "":
				i.Add("loading", certs.Good, "Postfix loads the file as smtpd_tls_chain_files")
			case f.named(path, "cert_file", "eccert_file", "dcert_file") && !f.named(path, "chain_files"):
				i.Add("loading", certs.Note, "Postfix loads the file as configured now, apart from its key, but not as smtpd_tls_chain_files: %s", why)
			default:
				i.Add("loading", certs.Bad, "Postfix would not load the file as smtpd_tls_chain_files: %s", why)
			}
		}
		for _, what := range p.Mended {
			i.Add("file", certs.Note, "%s", what)
		}
		out = append(out, i)
	}
	return out, nil
}

// named reports whether one of these parameters names a file, for receiving or
// sending, in main.cf or for a service.
func (f *Facts) named(path string, parameters ...string) bool {
	services := []*mastercf.Service{nil}
	for _, s := range f.Config.Master.Services() {
		services = append(services, &s)
	}
	for _, p := range parameters {
		for _, prefix := range []string{"smtpd_tls_", "smtp_tls_"} {
			if slices.ContainsFunc(services, func(s *mastercf.Service) bool { return slices.Contains(postfix.List(f.Config.Text(s, prefix+p)), path) }) {
				return true
			}
		}
	}
	return false
}
