package interview

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"postseal/internal/ask"
	"postseal/internal/hint"
)

// key names the private keys that are not in the certificate files.
var key = &ask.Question[[]string, Facts]{
	Key:         "key",
	Section:     SectionCertificate,
	Title:       "Private key file",
	Why:         "Key and certificate must match, or Postfix disables TLS while still offering it.",
	Help:        `The file with the private key, without a passphrase. It is read once and copied, mode 0600; it is never displayed.`,
	Many:        true,
	Placeholder: "/path/to/privkey.pem",
	Parse: func(texts []string) ([]string, error) {
		for _, t := range texts {
			if err := absolute(t); err != nil {
				return nil, err
			}
		}
		return texts, nil
	},
	Format: func(v []string) []string { return v },
	Needs:  needsCertificate,
	When: func(f Facts, a *ask.Answers) bool {
		if !serves(f, a) {
			return false
		}
		given := a.Source("key") != ask.Unset
		return given || slices.ContainsFunc(cert.Get(f, a), func(p string) bool {
			err := f.PEM[p].Err
			_, own, _ := f.KeyFor(p)
			return !own && (err == nil || errors.Is(err, fs.ErrPermission)) // what is no certificate has no key
		})
	},
	Suggest: func(f Facts, a *ask.Answers) ask.Suggestion[[]string] {
		var keys, lost []string
		for _, p := range cert.Get(f, a) {
			path, own, ok := f.KeyFor(p)
			switch {
			case !ok:
				lost = append(lost, p)
			case !own && !slices.Contains(keys, path):
				keys = append(keys, path)
			}
		}
		if len(lost) > 0 {
			return ask.Suggestion[[]string]{Why: "no key for " + strings.Join(lost, ", ") + " was found"}
		}
		return suggest(keys, ask.Detected, "it belongs to that certificate")
	},
	Sure:  func(f Facts, a *ask.Answers) bool { return keysFound(f, cert.Get(f, a)...) },
	Files: func(v []string) []string { return v },
	Check: func(v []string, f Facts, a *ask.Answers) error {
		// The question about the certificates reports their own faults.
		if _, _, err := f.Chains(cert.Get(f, a)...); err != nil {
			return nil
		}
		return checkKeys(f, cert.Get(f, a), v)
	},
	Now: func(f Facts) string {
		var out []string
		for _, c := range f.ServerCertificates() {
			out = append(out, c.Key)
		}
		return strings.Join(out, ", ")
	},
}

// checkKeys checks that every certificate has a key among the files. Files that this
// user may not read are not counted as faulty.
func checkKeys(f Facts, certs, keys []string) error {
	_, unread, err := f.Chains(slices.Concat(certs, keys)...)
	if err != nil || len(unread) > 0 {
		return err
	}
	var all []error
	for _, c := range certs {
		if _, _, ok := f.KeyFor(c); !ok {
			all = append(all, hint.New("none of the keys matches "+c, "name the matching key with --key"))
		}
	}
	return errors.Join(all...)
}

// keysFound reports whether the key of every certificate was read and matched.
func keysFound(f Facts, certs ...string) bool {
	return !slices.ContainsFunc(certs, func(c string) bool {
		path, _, ok := f.KeyFor(c)
		return !ok || f.PEM[path].Err != nil
	})
}
