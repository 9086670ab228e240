package probe

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"slices"
	"strings"
	"sync"
)

// branches is how many chains a version gets, beside each other. A chain more
// costs a handshake more, and makes the longest wait shorter.
var branches = map[uint16]int{ssl30: 1, tls10: 1, tls11: 1, tls12: 3, tls13: 1}

// version enumerates the suites of one version, or returns nil if it is not
// taken.
//
// All are offered first, and then all the other way round. If the answer is the
// same, the server chooses: one chain shows its order. If not, the client's order
// counts, and what is left can be asked for in several chains at once.
func (e *enumerator) version(ctx context.Context, v uint16) *Version {
	left := suitesOf(v)
	first := e.try(ctx, hello{version: v, suites: left, compress: v == tls12})
	if !first.accepted {
		return nil
	}
	if v == tls12 {
		e.mu.Lock()
		e.out.Extended, e.out.MACLater, e.out.Tickets, e.out.Compressed, e.out.Secure = first.extended, first.macLater, first.tickets, first.compressed, first.secure
		e.out.AsksCertificate, e.out.Authorities = e.out.AsksCertificate || first.asksCertificate, max(e.out.Authorities, first.authorities)
		e.mu.Unlock()
	}
	out := &Version{Name: versionNames[v], Suites: []Accepted{accepted(first)}}
	back := slices.Clone(left)
	slices.Reverse(back)
	last := e.try(ctx, hello{version: v, suites: back})
	left = without(left, first.suite)
	if !last.accepted || last.suite == first.suite {
		if out.Suites = append(out.Suites, e.chain(ctx, v, left)...); len(out.Suites) > 1 && last.accepted {
			out.Chooses = "server"
		}
		return out
	}
	out.Chooses, out.Suites = "client", append(out.Suites, accepted(last))
	left = without(left, last.suite)
	chains := make([][]Accepted, branches[v])
	parts := make([][]uint16, len(chains))
	for i, id := range left {
		parts[i%len(parts)] = append(parts[i%len(parts)], id)
	}
	var wg sync.WaitGroup
	for i, part := range parts {
		wg.Go(func() { chains[i] = e.chain(ctx, v, part) })
	}
	wg.Wait()
	out.Suites = append(out.Suites, slices.Concat(chains...)...)
	slices.SortFunc(out.Suites, func(a, b Accepted) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// chain offers what is left until nothing of it is taken.
func (e *enumerator) chain(ctx context.Context, v uint16, left []uint16) (out []Accepted) {
	for len(left) > 0 {
		r := e.try(ctx, hello{version: v, suites: left})
		if !r.accepted {
			break
		}
		out, left = append(out, accepted(r)), without(left, r.suite)
	}
	return out
}

func without(ids []uint16, id uint16) []uint16 {
	return slices.DeleteFunc(slices.Clone(ids), func(x uint16) bool { return x == id })
}

func accepted(r reply) Accepted {
	a := Accepted{Suite: suiteByID[r.suite], DHBits: r.dhBits}
	if r.group != 0 {
		a.Group = groupName(r.group)
	}
	if r.signature != 0 {
		a.Signature = signatureName(r.signature)
	}
	return a
}

// groups enumerates the groups that a version takes with some suites.
func (e *enumerator) groups(ctx context.Context, v uint16, ids []uint16) []string {
	out, left := []string{}, groupIDs
	for len(left) > 0 {
		r := e.try(ctx, hello{version: v, suites: ids, groups: left})
		if !r.accepted || !slices.Contains(left, r.group) {
			break
		}
		name := groupName(r.group)
		if slices.Contains(out, name) {
			break // the curve of the certificate, for the second time
		}
		out, left = append(out, name), without(left, r.group)
		if v < tls13 && r.group == curveOf(r.chain) {
			left = append(left, r.group)
		}
	}
	return out
}

// curveOf is the group of the key of a leaf, or 0.
func curveOf(chain [][]byte) uint16 {
	if len(chain) == 0 {
		return 0
	}
	c, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return 0
	}
	if key, ok := c.PublicKey.(*ecdsa.PublicKey); ok {
		return map[elliptic.Curve]uint16{elliptic.P256(): 23, elliptic.P384(): 24, elliptic.P521(): 25}[key.Curve]
	}
	return 0
}

// curves enumerates the groups of TLS 1.2. Suites that need no certificate of
// ECDSA are asked for first, those that need none at all before others, since
// the server signs nothing then: with ECDSA the curve of the certificate must
// stay among what is offered. A client that puts it last learns of the others
// all the same, unless the server chooses.
func (e *enumerator) curves(ctx context.Context) []string {
	others := append(suitesWith("_ECDH_anon_"), suitesWith("_ECDHE_RSA_")...)
	if out := e.groups(ctx, tls12, others); len(out) > 0 {
		return out
	}
	return e.groups(ctx, tls12, suitesWith("_ECDHE_ECDSA_"))
}

// suitesWith are the suites before TLS 1.3 whose names have a part.
func suitesWith(part string) (ids []uint16) {
	for _, s := range suites {
		if strings.Contains(s.Name, part) {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// suitesOf are all suites of a version.
func suitesOf(v uint16) (ids []uint16) {
	for _, s := range suites {
		if s.modern() == (v == tls13) {
			ids = append(ids, s.ID)
		}
	}
	return ids
}
