package detect

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"postseal/internal/host"
)

// maxDomains is for how many domains the MX records are asked.
const maxDomains = 10

// mxNames are the host names under which other servers reach this one: what
// the MX records of its domains name, if that is this host's name or lies in
// its domain. Another host's name needs no place in our certificate, and its
// TLSA records are about another key: a name that leads elsewhere than
// myhostname does is not ours.
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
			a, err := m.LookUp(ctx, f.Resolver.Servers[0], d, dns.TypeMX)
			if err != nil {
				return
			}
			for _, r := range a.Records {
				if _, target, ok := strings.Cut(r, " "); ok {
					found[i] = append(found[i], strings.ToLower(strings.TrimSuffix(target, ".")))
				}
			}
		}()
	}
	wg.Wait()
	_, parent, _ := strings.Cut(f.Hostname, ".")
	var here []string
	asked, elsewhere := false, map[string]bool{}
	var out []Name
	for i, d := range domains {
		for _, target := range found[i] {
			known := slices.ContainsFunc(append(f.Needed, out...), func(n Name) bool { return n.Name == target })
			if known || elsewhere[target] || parent == "" || !strings.HasSuffix(target, "."+parent) {
				continue
			}
			if !asked {
				here, asked = f.addresses(ctx, m, f.Hostname), true
			}
			there := f.addresses(ctx, m, target)
			if len(here) > 0 && len(there) > 0 && !slices.ContainsFunc(there, func(a string) bool { return slices.Contains(here, a) }) {
				elsewhere[target] = true
				continue
			}
			out = append(out, Name{target, "MX of " + d})
		}
	}
	return out
}

// addresses are those that a name leads to; none if they are not known.
func (f *Facts) addresses(ctx context.Context, m host.Reader, name string) (out []string) {
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		if a, err := m.LookUp(ctx, f.Resolver.Servers[0], name, kind); err == nil {
			out = append(out, a.Records...)
		}
	}
	return out
}
