package dane

import (
	"context"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"time"

	"postseal/certs"
	"postseal/internal/resolve"
)

// Place is one authoritative name server of the zone, and the records that it has.
type Place struct {
	Server string
	Set    []certs.TLSA
	Values []string
	// Unknown is why it is not known what the server has; empty if it is.
	Unknown string
}

// Everywhere returns h with what all authoritative name servers have, past every cache.
// If none of them can be reached at all, as behind a firewall, Places stays empty, and
// only the answer of the resolver is known.
func (h Host) Everywhere(ctx context.Context, r resolve.Resolver) Host {
	if h.State != Secure && (h.State != None || !h.Signed) {
		return h
	}
	v := r.Everywhere(ctx, h.Owner, resolve.TLSA)
	h.Refresh = v.Refresh
	if v.Unknown != nil || !v.Reached() {
		return h
	}
	for _, s := range v.Servers {
		p := Place{Server: s.Name}
		switch a := s.Answer.(type) {
		case resolve.Unknown:
			p.Unknown = a.Text
		case resolve.Records:
			p.Values, p.Set, h.TTL = a.Values, Parse(a.Values), max(h.TTL, a.TTL)
		}
		h.Places = append(h.Places, p)
	}
	return h
}

// AtResolver is the place for the answer of this machine's resolver.
const AtResolver = "the resolver"

// sets are all the sets of records that senders may be given now, by who gives them; a
// server that did not answer may give another.
func (h Host) sets() map[string][]string {
	out := map[string][]string{AtResolver: h.Values}
	for _, p := range h.Places {
		if p.Unknown == "" {
			out[p.Server] = p.Values
		}
	}
	return out
}

// Refusals are the places that give senders records with which they refuse a chain.
func (h Host) Refusals(chain []*x509.Certificate, names []string, now time.Time) (out []string) {
	sets := h.sets()
	for _, place := range slices.Sorted(maps.Keys(sets)) {
		if refuses(sets[place], chain, append(slices.Clone(names), h.Base), now) {
			out = append(out, place)
		}
	}
	return out
}

// refuses reports whether senders refuse a chain because of some records.
func refuses(values []string, chain []*x509.Certificate, names []string, now time.Time) bool {
	return len(values) > 0 && !certs.JudgeTLSA(Parse(values), chain, names, now).Delivers()
}

// Hold returns how long after a change the previous answer may still be given: by caches,
// and by a secondary server that is behind.
func (h Host) Hold() time.Duration { return max(2*h.TTL, h.Refresh+h.TTL) }

// Ledger remembers the sets of records that senders may still have in a cache, by the
// name that the records belong to. Only sets that were seen are known.
type Ledger map[string]*Page

// Page is about one name.
type Page struct {
	// Hold is how long the answers of the last look are kept, and Latest until when one
	// that was given by then may still be met: longer, if the TTL was lowered.
	Hold   time.Duration `json:"hold"`
	Latest time.Time     `json:"latest"`
	// Sets are those that were seen, and Before is until when one that nobody saw may still
	// be met: from before the first look, from between two looks that differ, or from a
	// name server that does not answer here.
	Sets   []Cached  `json:"sets"`
	Before time.Time `json:"before"`
	// Silent is true if a name server did not answer at the last look: it may have given
	// what it had until the next one.
	Silent bool `json:"silent,omitempty"`
}

// Cached is a set of records and until when it may be met.
type Cached struct {
	Values  []string  `json:"records"`
	Until   time.Time `json:"until"`
	Current bool      `json:"current"`
}

// Note adds what was seen of a host. If nothing is known of it, nothing changes.
func (l Ledger) Note(h Host, now time.Time) {
	if h.State != Secure && h.State != None {
		return
	}
	p := l[h.Owner]
	if p == nil {
		if h.State == None && !slices.ContainsFunc(h.Places, func(s Place) bool { return len(s.Values) > 0 }) {
			return // nothing was ever published, as far as is known: nothing can be cached
		}
		p = &Page{}
		l[h.Owner] = p
	}
	answers := !slices.ContainsFunc(h.Places, func(s Place) bool { return s.Unknown != "" })
	silent := p.Silent || !answers
	p.Sets = slices.DeleteFunc(p.Sets, func(c Cached) bool { return !c.Current && !silent && c.Until.Before(now) })
	hold := max(p.Hold, h.Hold())
	if at := now.Add(hold); at.After(p.Latest) {
		p.Latest = at
	}
	if p.Hold, p.Silent = hold, !answers; answers {
		p.Hold = h.Hold()
	}
	was := slices.Clone(p.Sets)
	for i := range p.Sets {
		if p.Sets[i].Current || silent { // it was there until a moment ago, as far as is known
			p.Sets[i].Current, p.Sets[i].Until = false, p.Latest
		}
	}
	changed := silent
	for _, values := range h.sets() {
		if i := slices.IndexFunc(p.Sets, func(c Cached) bool { return slices.Equal(c.Values, values) }); i >= 0 {
			p.Sets[i].Current = true
			changed = changed || i < len(was) && !was[i].Current
		} else {
			p.Sets = append(p.Sets, Cached{Values: slices.Clone(values), Current: true})
			changed = true
		}
	}
	if changed { // nobody knows by which steps
		p.Before = p.Latest
	}
}

// Safe returns when the last records with which senders refuse a chain have left all
// caches, and why not earlier; zero if none are left. served are the chains that are
// presented now: a set from before the first look is presumed to authenticate only those.
// Sets that are published now do not count: see Refusals.
func (l Ledger) Safe(h Host, chain []*x509.Certificate, served [][]*x509.Certificate, names []string, now time.Time) (at time.Time, why string) {
	p := l[h.Owner]
	if p == nil {
		return at, ""
	}
	names = append(slices.Clone(names), h.Base)
	for _, c := range p.Sets {
		if !c.Current && c.Until.After(now) && c.Until.After(at) && refuses(c.Values, chain, names, now) {
			at, why = c.Until, fmt.Sprintf("records of %s that do not authenticate it may be in caches until then", h.Owner)
		}
	}
	if p.Before.After(now) && p.Before.After(at) && h.State == Secure && !h.Accepted(chain, served, names, now) {
		at, why = p.Before, fmt.Sprintf("since when %s has these records is not known, and earlier answers may be in caches until then", h.Owner)
	}
	return at, why
}

// Accepted reports whether one record authenticates both a chain that is presented now
// and this one.
func (h Host) Accepted(chain []*x509.Certificate, served [][]*x509.Certificate, names []string, now time.Time) bool {
	for _, r := range h.Set {
		accepts := func(c []*x509.Certificate) bool {
			return certs.JudgeTLSA([]certs.TLSA{r}, c, names, now).Outcome == certs.Authenticated
		}
		if accepts(chain) && slices.ContainsFunc(served, accepts) {
			return true
		}
	}
	return false
}
