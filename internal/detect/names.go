package detect

import (
	"context"
	"slices"
	"strings"
	"sync"

	"postseal/internal/host"
	"postseal/internal/resolve"
)

// maxDomains is for how many domains the MX records are asked.
const maxDomains = 10

// mxNames are the host names under which other servers reach this one: what
// the MX records of its domains name, if it leads where myhostname does. Of a
// name in this host's own domain it is enough that it is not known to lead
// elsewhere. Another host's name needs no place in our certificate, and its
// TLSA records are about another key.
func (f *Facts) mxNames(ctx context.Context, m host.Reader) []Name {
	if len(f.Resolver.Servers) == 0 || f.Role == Sender {
		return nil
	}
	domains, _ := f.Domains()
	domains = domains[:min(len(domains), maxDomains)]
	found := make([][]string, len(domains))
	var wg sync.WaitGroup
	for i, d := range domains {
		wg.Add(1)
		go func() {
			defer wg.Done()
			a, _ := f.Resolver.Ask(m).Ask(ctx, d, resolve.MX).(resolve.Records)
			for _, r := range a.Values {
				if _, target, ok := strings.Cut(r, " "); ok {
					found[i] = append(found[i], strings.ToLower(strings.TrimSuffix(target, ".")))
				}
			}
		}()
	}
	wg.Wait()
	_, parent, _ := strings.Cut(f.Hostname, ".")
	elsewhere := map[string]bool{}
	var out []Name
	for i, d := range domains {
		for _, target := range found[i] {
			known := slices.ContainsFunc(append(f.Needed, out...), func(n Name) bool { return n.Name == target })
			if known || elsewhere[target] {
				continue
			}
			here := f.LeadsHere(ctx, m, target)
			if ours := parent != "" && strings.HasSuffix(target, "."+parent); here == No || here == Unknown && !ours {
				elsewhere[target] = true
				continue
			}
			out = append(out, Name{target, "MX of " + d})
		}
	}
	return out
}

// LeadsHere says whether a name leads where myhostname does.
func (f *Facts) LeadsHere(ctx context.Context, m host.Reader, name string) Tri {
	if name == f.Hostname {
		return Yes
	}
	if len(f.Resolver.Servers) == 0 {
		return Unknown
	}
	here, there := f.addresses(ctx, m, f.Hostname), f.addresses(ctx, m, name)
	switch {
	case len(here) == 0 || len(there) == 0:
		return Unknown
	case slices.ContainsFunc(there, func(a string) bool { return slices.Contains(here, a) }):
		return Yes
	}
	return No
}

// addresses are those that a name leads to; none if they are not known.
func (f *Facts) addresses(ctx context.Context, m host.Reader, name string) (out []string) {
	for _, kind := range []uint16{resolve.A, resolve.AAAA} {
		if a, ok := f.Resolver.Ask(m).Ask(ctx, name, kind).(resolve.Records); ok {
			out = append(out, a.Values...)
		}
	}
	return out
}
