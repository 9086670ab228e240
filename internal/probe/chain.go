package probe

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"slices"
	"strings"
	"sync"

	"postseal/certs"
)

// branches is how many chains a version gets, beside each other. A chain more
// costs a handshake more, and makes the longest wait shorter.
var branches = map[uint16]int{ssl30: 1, tls10: 1, tls11: 1, tls12: 3, tls13: 1}

// version enumerates the suites of one version, or returns nil if it is not
// taken. On the way it finds the groups, where they do not depend on the suites.
//
// All are offered first, and then all the other way round. If the answer is the
// same, the server chooses: one chain shows its order. If not, the client's order
// counts, and what is left can be asked for in several chains at once.
func (e *enumerator) version(ctx context.Context, v uint16) *Version {
	left := suitesOf(v)
	w := &walk{e: e, version: v}
	if v == tls13 {
		w.left = groupIDs
	}
	first := w.try(ctx, hello{suites: left, compress: v == tls12})
	if !first.accepted {
		return nil
	}
	if v == tls12 {
		e.mu.Lock()
		e.out.Extended, e.out.MACLater, e.out.Tickets, e.out.Compressed, e.out.Secure = first.extended, first.macLater, first.tickets, first.compressed, first.secure
		e.out.AsksCertificate, e.out.Authorities = e.out.AsksCertificate || first.asksCertificate, max(e.out.Authorities, first.authorities)
		e.mu.Unlock()
	}
	out := &Version{Name: versionNames[v], Suites: []Accepted{w.accepted(first)}}
	back := slices.Clone(left)
	slices.Reverse(back)
	last := w.try(ctx, hello{suites: back})
	left = without(left, first.suite)
	var wg sync.WaitGroup
	if !last.accepted || last.suite == first.suite {
		if v == tls12 {
			wg.Go(func() { e.out.Curves = e.curves(ctx) })
		}
		if out.Suites = append(out.Suites, w.chain(ctx, left)...); len(out.Suites) > 1 && last.accepted {
			out.Chooses = "server"
		}
	} else {
		out.Chooses, out.Suites = "client", append(out.Suites, w.accepted(last))
		parts := shares(without(left, last.suite), branches[v])
		chains := make([][]Accepted, len(parts))
		for i, part := range parts {
			wg.Go(func() {
				if v != tls12 || i > 0 {
					chains[i] = w.chain(ctx, part)
					return
				}
				w := &walk{e: e, version: v, left: groupIDs}
				chains[i] = w.chain(ctx, part)
				if e.out.Curves = w.names(ctx); len(e.out.Curves) == 0 {
					e.out.Curves = e.curves(ctx)
				}
			})
		}
		wg.Wait()
		out.Suites = append(out.Suites, slices.Concat(chains...)...)
		slices.SortFunc(out.Suites, func(a, b Accepted) int { return cmp.Compare(a.ID, b.ID) })
	}
	if v == tls13 {
		e.out.Groups = w.names(ctx)
	}
	wg.Wait()
	for _, s := range out.Suites {
		if v == tls12 && s.Group != "" && !slices.Contains(e.out.Curves, s.Group) { // some go with certain suites only
			e.out.Curves = append(e.out.Curves, s.Group)
		}
	}
	return out
}

// shares deals suites out. Those with curves that need no certificate of ECDSA
// are all in the first share: with them, groups can be found. Those that need one
// are in the others.
func shares(ids []uint16, n int) [][]uint16 {
	out := make([][]uint16, n)
	var others []uint16
	for _, id := range ids {
		if s := suiteByID[id]; s.elliptic() && !strings.Contains(s.Name, "_ECDSA_") {
			out[0] = append(out[0], id)
		} else {
			others = append(others, id)
		}
	}
	for _, id := range others {
		least := 0
		if n > 1 && suiteByID[id].elliptic() {
			least = 1
		}
		for i := least + 1; i < n; i++ {
			if len(out[i]) < len(out[least]) {
				least = i
			}
		}
		out[least] = append(out[least], id)
	}
	return out
}

// walk asks for suites of one version and, by the same hellos, for groups: which
// one is chosen does not depend on the suite, so that each answer takes away one of
// both.
type walk struct {
	e       *enumerator
	version uint16
	// left are the groups that were not chosen yet; nil, and all are offered, if
	// they are not asked for, or once all are known.
	left []uint16
	// seen are the groups that were chosen, in that order, and with the suites that
	// they were chosen with.
	seen, with []uint16
}

// try makes one handshake. What is refused is asked for with all groups again: it
// may be the groups that were refused.
func (w *walk) try(ctx context.Context, h hello) reply {
	h.version, h.groups = w.version, w.left
	r := w.e.try(ctx, h)
	if !r.accepted && w.left != nil && len(w.seen) > 0 {
		h.groups = nil
		if r = w.e.try(ctx, h); r.accepted && r.group != 0 {
			w.left = nil
		}
		return r
	}
	if r.accepted && w.left != nil && r.group != 0 {
		w.note(r)
	}
	return r
}

// note takes a group off. With ECDSA before TLS 1.3 many servers want that the curve
// of the certificate stays: a client that puts it last learns of the others all
// the same, unless the server chooses. Then it goes too, in case it need not stay.
func (w *walk) note(r reply) {
	switch {
	case !slices.Contains(w.left, r.group):
		w.left = nil
		return
	case slices.Contains(w.seen, r.group):
		w.left = without(w.left, r.group)
		return
	}
	w.seen, w.with, w.left = append(w.seen, r.group), append(w.with, r.suite), without(w.left, r.group)
	if w.version < tls13 && r.group == curveOf(r.chain) {
		w.left = append(w.left, r.group)
	}
}

// chain offers the suites that are left until none of them is taken.
func (w *walk) chain(ctx context.Context, left []uint16) (out []Accepted) {
	for len(left) > 0 {
		r := w.try(ctx, hello{suites: left})
		if !r.accepted {
			break
		}
		out, left = append(out, w.accepted(r)), without(left, r.suite)
	}
	return out
}

// names asks for the groups that are left, and returns all.
func (w *walk) names(ctx context.Context) []string {
	for len(w.left) > 0 && len(w.with) > 0 {
		r := w.e.try(ctx, hello{version: w.version, suites: w.with, groups: w.left})
		if !r.accepted {
			break
		}
		w.note(r)
	}
	out := []string{}
	for _, id := range w.seen {
		out = append(out, groupName(id))
	}
	return out
}

// accepted is what is said of a suite. Its group is the one that is chosen if all
// are offered, the first.
func (w *walk) accepted(r reply) Accepted {
	a := Accepted{Suite: suiteByID[r.suite], DHBits: r.dhBits}
	if len(w.seen) > 0 && r.group != 0 {
		r.group = w.seen[0]
	}
	if r.group != 0 {
		a.Group = groupName(r.group)
	}
	if r.signature != 0 {
		a.Signature = signatureName(r.signature)
	}
	return a
}

func without(ids []uint16, id uint16) []uint16 {
	return slices.DeleteFunc(slices.Clone(ids), func(x uint16) bool { return x == id })
}

// curveOf is the group of the key of a leaf, or 0.
func curveOf(chain [][]byte) uint16 {
	if len(chain) == 0 {
		return 0
	}
	c, err := certs.Parse(chain[0])
	if err != nil {
		return 0
	}
	if key, ok := c.PublicKey.(*ecdsa.PublicKey); ok {
		return map[elliptic.Curve]uint16{elliptic.P256(): 23, elliptic.P384(): 24, elliptic.P521(): 25}[key.Curve]
	}
	return 0
}

// curves enumerates the groups of TLS 1.2 by themselves. Suites that need no
// certificate of ECDSA are asked for first, those that need none at all before
// others, since the server signs nothing then.
func (e *enumerator) curves(ctx context.Context) []string {
	others := append(suitesWith("_ECDH_anon_"), suitesWith("_ECDHE_RSA_")...)
	for _, ids := range [][]uint16{others, suitesWith("_ECDHE_ECDSA_")} {
		w := &walk{e: e, version: tls12, left: groupIDs, with: ids}
		if out := w.names(ctx); len(out) > 0 {
			return out
		}
	}
	return []string{}
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
