// Package legodns makes lego's DNS providers out of what was answered, as
// acme.DNSProvider. Which ones there are, and what they need, stands in
// certs/dnsproviders.
//
// Secrets are read by the library from their files; they are known here only
// to keep them out of errors.
package legodns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-acme/lego/v4/challenge"

	"postseal/certs/acme"
	"postseal/certs/dnsproviders"
	"postseal/internal/hint"
)

// constructors are filled by the generated lists.
var constructors = map[string]func() (challenge.Provider, error){}

// environment is held while a provider is made: the library reads its settings
// from the environment of the process, and nowhere else.
var environment sync.Mutex

// New makes a provider. values are fields that are no secrets, files the files
// that hold those that are; nobody but their owner may read them. It fails if
// something that the provider needs is missing.
//
// Some providers are asked about themselves; that is bounded, and ends with ctx.
func New(ctx context.Context, code string, values, files map[string]string) (*acme.Library, error) {
	known, ok := dnsproviders.Find(code)
	construct := constructors[code]
	if !ok || construct == nil {
		return nil, hint.New(fmt.Sprintf("unknown DNS provider %.40q", code), "postseal cert providers lists them")
	}
	var all []error
	secrets := &acme.Secrets{}
	for name, path := range files {
		if _, ok := known.Field(name); !ok {
			all = append(all, unknown(known, name))
		}
		content, err := acme.ReadSecret(path)
		all = append(all, err)
		secrets.Add(content)
	}
	for name := range values {
		if f, ok := known.Field(name); !ok {
			all = append(all, unknown(known, name))
		} else if f.Secret {
			all = append(all, hint.New(name+" is a secret and belongs in a file", "--dns-secret-file "+name+"=/path/to/file"))
		}
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	environment.Lock()
	defer environment.Unlock()
	set := map[string]string{}
	for name, v := range values {
		set[name] = v
	}
	for name, path := range files {
		if !isPath(name) {
			name += "_FILE"
		}
		set[name] = path
	}
	defer exchange(namesakes(known, os.Environ()), set)()
	p, err := made(ctx, construct)
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("%s: %.300s", known.Name, secrets.Hide(err).Error()), "it needs "+known.Needs()+"; "+hint.ShellLine([]string{"postseal", "cert", "providers", code})+" explains them")
	}
	return &acme.Library{Code: code, Provider: p, Secrets: secrets}, nil
}

// isPath reports whether the library wants a path in a field, and not what the
// file holds.
func isPath(name string) bool {
	return strings.HasSuffix(name, "_PATH") || name == "HYPERONE_PASSPORT_LOCATION"
}

// namesakes are the variables that the library could take for a provider's
// settings, with those that are set: what our caller has in his environment is
// not meant, and a timer that renews would not have it. They go by the word
// before the first underscore, since other names for the same, and times, are
// not in the table. LEGO_ ones make the library show what it sends.
func namesakes(p dnsproviders.Provider, environ []string) []string {
	words := []string{"LEGO"}
	var out []string
	for _, f := range p.Fields {
		out = append(out, f.Name, f.Name+"_FILE")
	}
	for _, name := range append(slices.Clone(p.Aliases), out...) {
		word, _, _ := strings.Cut(name, "_")
		words = append(words, word)
	}
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		if word, _, ok := strings.Cut(name, "_"); ok && slices.Contains(words, word) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func unknown(p dnsproviders.Provider, name string) error {
	return hint.New(fmt.Sprintf("%s has no field %.60q", p.Name, name), hint.ShellLine([]string{"postseal", "cert", "providers", p.Code})+" lists them")
}

// makeTime bounds making a provider.
const makeTime = 15 * time.Second

// made constructs a provider; some panic at what they do not expect.
func made(ctx context.Context, construct func() (challenge.Provider, error)) (challenge.Provider, error) {
	type result struct {
		p   challenge.Provider
		err error
	}
	done := make(chan result, 1)
	go func() {
		defer func() {
			if recover() != nil {
				done <- result{err: errors.New("the library rejected these values")}
			}
		}()
		p, err := construct()
		done <- result{p, err}
	}()
	ctx, cancel := context.WithTimeout(ctx, makeTime)
	defer cancel()
	select {
	case r := <-done:
		return r.p, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// exchange gives variables of the environment the values of set, or none; what
// it returns puts them back.
func exchange(names []string, set map[string]string) func() {
	before := map[string]string{}
	put := func(name string, values map[string]string) {
		if v, ok := values[name]; ok {
			_ = os.Setenv(name, v)
		} else {
			_ = os.Unsetenv(name)
		}
	}
	for _, name := range names {
		if v, ok := os.LookupEnv(name); ok {
			before[name] = v
		}
		put(name, set)
	}
	return func() {
		for _, name := range names {
			put(name, before)
		}
	}
}
