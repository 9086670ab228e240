package detect

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"postseal/certs"
	"postseal/internal/postfix"
)

// findOwners says of a certificate whose file no program renews whether it is
// a copy of one that a program does renew, known by its public key, or one of
// the generations that certbot keeps. Such a file stays behind at the next
// renewal, and Postfix with it.
func (f *Facts) findOwners() {
	for i := range f.Certificates {
		c := &f.Certificates[i]
		if c.Owner != "" || c.Table != "" { // a table is never read in place: see StaleMaps
			continue
		}
		if d, ok := f.RenewedAs(c.Facts, c.Chain); ok {
			c.Owner, c.Source = d.Owner, d.Chain
		}
	}
}

// RenewedAs is the certificate that another client renews and of which the
// chain at path, with these facts, is a copy or an older generation, or a link
// to one. Only a certificate that lies beside its own private key counts: public
// keys are public, so that any account can sign a certificate for one.
func (f *Facts) RenewedAs(c certs.Facts, path string) (Certificate, bool) {
	file := path
	if links := f.PEM[path].Over; len(links) > 0 {
		file = links[len(links)-1]
	}
	stable := certs.Stable(file)
	best, found := Certificate{}, false
	for _, d := range f.Certificates {
		if d.Owner == "" || d.Source != "" || d.Table != "" || f.Leads(path, d.Chain) || d.Err != nil || d.Algorithm != c.Algorithm || !f.hasKey(d) {
			continue
		}
		if d.Chain != stable && (c.PublicKey == "" || d.PublicKey != c.PublicKey) {
			continue
		}
		if !found || d.NotBefore.After(best.NotBefore) {
			best, found = d, true
		}
	}
	return best, found
}

// hasKey reports whether the private key of a certificate lies in its own files, or may
// lie there and is kept from this user.
func (f *Facts) hasKey(c Certificate) bool {
	return c.KeyMatch == Yes || !f.Root && errors.Is(f.PEM[c.Key].Err, fs.ErrPermission)
}

// Outdated is a certificate in use that stayed behind: where it came from lies
// a newer one.
type Outdated struct {
	Shown   Certificate `json:"shown"`
	Renewed Certificate `json:"renewed"`
}

// Outdated are those in use of which a newer one lies where they came from:
// where their owner renews them, where a client renews one for the same names
// and purpose, or in the files that the last apply made ours of, which have been
// inspected then.
func (f *Facts) Outdated() []Outdated {
	out := []Outdated{}
	for _, c := range f.Certificates {
		if c.Err != nil || !c.InUse() || c.Table != "" {
			continue
		}
		for _, d := range f.sources(c) {
			if d.Algorithm == c.Algorithm && d.Fingerprint != c.Fingerprint && d.NotBefore.After(c.NotBefore) {
				out = append(out, Outdated{c, d})
				break
			}
		}
	}
	return out
}

// sources are the certificates in the files from which c was made.
func (f *Facts) sources(c Certificate) []Certificate {
	if c.Source != "" {
		return slices.DeleteFunc(slices.Clone(f.Certificates), func(d Certificate) bool { return d.Chain != c.Source })
	}
	var out []Certificate
	for _, d := range f.Certificates {
		if d.Owner != "" && d.Source == "" && d.Table == "" && d.Err == nil && follows(c, d) {
			out = append(out, d)
		}
	}
	if f.Last == nil || !c.Server && !c.Client { // what a service has for itself is no answer
		return out
	}
	given := postfix.List(f.Last.Answers["cert"])
	if c.Client && !c.Server {
		given = postfix.List(f.Last.Answers["client-cert"])
	}
	for _, path := range given {
		if path == c.Chain || !strings.HasPrefix(path, "/") {
			continue // used where it lies, or "none"
		}
		paths := []string{path}
		if key, own, ok := f.KeyFor(path); ok && !own {
			paths = []string{key, path}
		}
		chains, _, err := f.Chains(paths...)
		if err != nil {
			continue
		}
		for _, chain := range chains {
			out = append(out, Certificate{Chain: path, Key: paths[0], Facts: chain.Facts, KeyMatch: Unknown})
		}
	}
	return out
}

// follows reports whether d can be a renewal of c with a new key, which leaves the
// names to go by. A CA's does not come after one that nobody signed, which is
// there for its key; one that ends sooner is another purchase, and one for
// servers alone does not come after one that is sent with. Names prove nothing: an
// unknown CA's does not come after one that a trusted CA issued, nor if another account
// can change it.
func follows(c, d Certificate) bool {
	sends := c.Client && !c.Shown()
	known := d.Trusted || d.Ordered() || !c.Trusted && len(d.ExposedBy()) == 0
	return known && c.Owner == "" && c.SelfSigned == d.SelfSigned && !d.NotAfter.Before(c.NotAfter) && (d.ClientUse || !sends) && sameNames(c.Names, d.Names)
}

// sameNames compares sets of host names.
func sameNames(a, b []string) bool {
	sorted := func(names []string) []string {
		out := slices.Clone(names)
		for i := range out {
			out[i] = strings.ToLower(out[i])
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	return len(a) > 0 && slices.Equal(sorted(a), sorted(b))
}
