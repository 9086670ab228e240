package interview

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"postseal/certs/dnsproviders"
	"postseal/internal/ask"
	"postseal/internal/hint"
)

// aboutProvider adds the questions about the DNS provider.
func (o *Order) aboutProvider() {
	here := func(f Facts, a *ask.Answers) bool { return o.challenge.Get(f, a) == ProofProvider }
	chosen := func(f Facts, a *ask.Answers) (dnsproviders.Provider, bool) {
		if !here(f, a) {
			return dnsproviders.Provider{}, false
		}
		return dnsproviders.Find(o.dnsProvider.Get(f, a))
	}
	o.dnsProvider = &ask.Question[string, Facts]{
		Key:     "dns-provider",
		Section: SectionOrder,
		Title:   "Who hosts your DNS zone?",
		Why:     "The record is created and removed there through its API, now and at every renewal.",
		Help: `The short name of a DNS provider or name server program. postseal cert providers lists all known ones and what
each of them needs.`,
		Placeholder: "short name",
		Parse: func(texts []string) (string, error) {
			if _, ok := dnsproviders.Find(texts[0]); !ok {
				return "", hint.New(fmt.Sprintf("unknown DNS provider %.40q", texts[0]), dnsproviders.Near(texts[0]))
			}
			return texts[0], nil
		},
		Offer: func(Facts, *ask.Answers) []ask.Choice[string] {
			var common, rest []ask.Choice[string]
			for _, p := range dnsproviders.All() {
				c := ask.Choice[string]{Value: p.Code, Name: p.Code, Help: p.Name}
				if p.Common() {
					common = append(common, c)
				} else {
					rest = append(rest, c)
				}
			}
			return append(common, rest...)
		},
		Needs: "--challenge " + ProofProvider,
		When:  here,
		Suggest: func(Facts, *ask.Answers) ask.Suggestion[string] {
			return ask.Suggestion[string]{Why: "only you know it"}
		},
	}
	o.dnsSet = pairs(ask.Question[[]string, Facts]{
		Key:         "dns-set",
		Title:       "Settings of the DNS provider",
		Why:         "Addresses, user names and other settings that are not secret, as NAME=VALUE with the name of the field.",
		Help:        `postseal cert providers NAME lists the fields of a provider. Secrets are refused here: they belong in files.`,
		Placeholder: "PDNS_API_URL=http://127.0.0.1:8081",
		Offer: func(f Facts, a *ask.Answers) []ask.Choice[string] {
			p, _ := chosen(f, a)
			return begun(p, false)
		},
		Needs: "a --dns-provider with such fields",
		When: func(f Facts, a *ask.Answers) bool {
			p, ok := chosen(f, a)
			return ok && slices.ContainsFunc(p.Fields, func(x dnsproviders.Field) bool { return !x.Secret })
		},
		Check: func(v []string, f Facts, a *ask.Answers) error {
			p, _ := chosen(f, a)
			return fields(p, v, false)
		},
	}, func(f Facts, a *ask.Answers) (needed bool, why string) {
		p, _ := chosen(f, a)
		harmless := func(name string) bool { x, ok := p.Field(name); return ok && !x.Secret }
		withSecretsAlone := func(s []string) bool { return !slices.ContainsFunc(s, harmless) }
		return len(p.Sets) > 0 && !slices.ContainsFunc(p.Sets, withSecretsAlone), p.Name + " needs " + p.Needs()
	})
	o.dnsSecretFile = pairs(ask.Question[[]string, Facts]{
		Key:   "dns-secret-file",
		Title: "Secret files of the DNS provider",
		Why:   "Anyone with them can change the zone, so they are read from files, as NAME=FILE, and never passed on a command line.",
		Help: `Files that only root can read, each with one secret and nothing else. postseal cert providers NAME lists the fields
of a provider.`,
		Placeholder: "CF_DNS_API_TOKEN=/etc/postseal/cloudflare.token",
		Offer: func(f Facts, a *ask.Answers) []ask.Choice[string] {
			p, _ := chosen(f, a)
			return begun(p, true)
		},
		Needs: "a --dns-provider with such fields",
		When: func(f Facts, a *ask.Answers) bool {
			p, ok := chosen(f, a)
			return ok && slices.ContainsFunc(p.Fields, func(x dnsproviders.Field) bool { return x.Secret })
		},
		Check: func(v []string, f Facts, a *ask.Answers) error {
			p, _ := chosen(f, a)
			all := []error{fields(p, v, true)}
			for _, pair := range v {
				name, path, _ := strings.Cut(pair, "=")
				if !filepath.IsAbs(path) { // it may be the secret itself, and is not repeated
					all = append(all, hint.New(name+": not an absolute path", "write the secret to a file and give its absolute path"))
				}
			}
			var given []string
			for _, pair := range append(o.dnsSet.Get(f, a), v...) {
				name, _, _ := strings.Cut(pair, "=")
				given = append(given, name)
			}
			if err := p.Complete(given); err != nil {
				all = append(all, hint.Wrap(err, "use --dns-secret-file NAME=FILE for secrets, and --dns-set NAME=VALUE for the rest"))
			}
			return errors.Join(all...)
		},
	}, func(f Facts, a *ask.Answers) (bool, string) {
		p, _ := chosen(f, a)
		return true, p.Name + " needs " + p.Needs()
	})
}

// begun returns the fields of a provider, required ones first, each as the beginning
// of an answer.
func begun(p dnsproviders.Provider, secret bool) []ask.Choice[string] {
	needed := slices.Concat(p.Sets...)
	place := func(f dnsproviders.Field) int {
		if i := slices.Index(needed, f.Name); i >= 0 {
			return i
		}
		return len(needed)
	}
	fields := slices.DeleteFunc(slices.Clone(p.Fields), func(f dnsproviders.Field) bool { return f.Secret != secret })
	slices.SortStableFunc(fields, func(a, b dnsproviders.Field) int { return place(a) - place(b) })
	var out []ask.Choice[string]
	for _, f := range fields {
		c := ask.Choice[string]{Value: f.Name + "=", Name: f.Name + "=", Help: f.Text, Open: true}
		if secret {
			c.Help = "file with: " + f.Text
		}
		if place(f) == len(needed) && (len(needed) > 0 || f.Optional) {
			c.Help += " (optional)"
		}
		out = append(out, c)
	}
	return out
}

// fields checks that all names are fields of a provider, and that secrets are given as
// files only.
func fields(p dnsproviders.Provider, given []string, secret bool) error {
	var all []error
	for _, pair := range given {
		name, _, _ := strings.Cut(pair, "=")
		switch f, ok := p.Field(name); {
		case !ok:
			all = append(all, hint.New(fmt.Sprintf("%s has no field %.60q", p.Name, name), hint.ShellLine([]string{"postseal", "cert", "providers", p.Code})+" lists them"))
		case f.Secret && !secret:
			all = append(all, hint.New(name+" is a secret and belongs in a file", "--dns-secret-file "+name+"=/path/to/file"))
		}
	}
	return errors.Join(all...)
}

// pairs returns a question whose answers are NAME=VALUE; "none" means no answer.
// needed reports whether an answer is required, and why.
func pairs(q ask.Question[[]string, Facts], needed func(Facts, *ask.Answers) (bool, string)) *ask.Question[[]string, Facts] {
	q.Section, q.Many = SectionOrder, true
	q.Parse = func(texts []string) ([]string, error) {
		if slices.Equal(texts, []string{"none"}) {
			return nil, nil
		}
		for _, t := range texts {
			if name, value, ok := strings.Cut(t, "="); !ok || name == "" || value == "" {
				return nil, hint.New("not of the form NAME=VALUE", "postseal cert providers lists the names") // the value may be a secret: it is not repeated
			}
		}
		return texts, nil
	}
	q.Format = func(v []string) []string {
		if len(v) == 0 {
			return []string{"none"}
		}
		return v
	}
	q.Suggest = func(f Facts, a *ask.Answers) ask.Suggestion[[]string] {
		must, why := needed(f, a)
		if must {
			return ask.Suggestion[[]string]{Why: why}
		}
		return suggest([]string(nil), ask.Default, "%s", why)
	}
	q.Sure = func(f Facts, a *ask.Answers) bool {
		must, _ := needed(f, a)
		return !must
	}
	return &q
}
