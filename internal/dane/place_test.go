package dane_test

import (
	"context"
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/certs"
	"postseal/internal/dane"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/resolve"
)

// TestPlacesAndTimes: what each name server has counts, and what caches may still have,
// to the second.
func TestPlacesAndTimes(t *testing.T) {
	z := lab.NewZone(t, "test.")
	ns := z.NameServers(t, "ns1.test", "ns2.test")
	ca := lab.NewCA(t)
	old, next := []*x509.Certificate{ca.Issue(t, lab.Leaf{}).Leaf}, []*x509.Certificate{ca.Issue(t, lab.Leaf{}).Leaf}
	const owner = "_25._tcp.mx.test"
	line := func(c []*x509.Certificate) string { return owner + ". 600 IN TLSA " + certs.NewTLSA(c[0]).String() }
	z.Set("mx.test. 300 IN A 127.0.0.1", line(old))
	ledger, now := dane.Ledger{}, time.Now()
	look := func() dane.Host {
		t.Helper()
		r := resolve.Resolver{Machine: host.Local{}, Servers: []string{z.Resolver}}
		h := dane.Resolve(context.Background(), r, "mx.test", "25").Everywhere(context.Background(), r)
		ledger.Note(h, now)
		return h
	}
	h := look()
	if h.State != dane.Secure || len(h.Places) != 2 || h.Refresh != 2*time.Hour || len(h.Refusals(old, nil, now)) != 0 {
		t.Fatalf("%+v", h)
	}
	const hold = 2*time.Hour + 10*time.Minute // of a server that may be behind, and of a cache
	safe := func(h dane.Host, chain []*x509.Certificate) time.Duration {
		at, _ := ledger.Safe(h, chain, [][]*x509.Certificate{old}, nil, now)
		if at.IsZero() {
			return 0
		}
		return at.Sub(now)
	}
	if safe(h, old) != 0 {
		t.Errorf("what is served has to wait %s", safe(h, old))
	}

	// The second server does not follow, and then it does.
	ns[1].Stop(true)
	now = now.Add(24 * time.Hour)
	z.Set(line(old), line(next))
	if h = look(); !slices.Equal(h.Refusals(next, nil, now), []string{"ns2.test"}) {
		t.Errorf("%q", h.Refusals(next, nil, now))
	}
	now = now.Add(24 * time.Hour)
	ns[1].Stop(false)
	if h = look(); len(h.Refusals(next, nil, now)) != 0 || safe(h, next) != hold {
		t.Errorf("%q, %s", h.Refusals(next, nil, now), safe(h, next))
	}
	now = now.Add(hold - time.Second)
	if h = look(); safe(h, next) != time.Second || safe(h, old) != 0 {
		t.Errorf("a second early: %s", safe(h, next))
	}
	now = now.Add(2 * time.Second)
	if h = look(); safe(h, next) != 0 {
		t.Errorf("in time: %s", safe(h, next))
	}

	// A record that vanished stops the clock, also while the resolver has an old answer.
	z.SetQuietly(line(old))
	if h = look(); !slices.Equal(h.Refusals(next, nil, now), []string{"ns1.test", "ns2.test"}) || !slices.Contains(h.Values, strings.ToUpper(certs.NewTLSA(next[0]).String())) && !slices.Contains(h.Values, certs.NewTLSA(next[0]).String()) {
		t.Errorf("%q, %q", h.Refusals(next, nil, now), h.Values)
	}
	z.Set(line(old), line(next))
	if h = look(); safe(h, next) != hold {
		t.Errorf("after it was gone: %s", safe(h, next))
	}

	// All records are gone: what was there may still be met.
	now = now.Add(24 * time.Hour)
	look()
	z.Remove(owner, resolve.TLSA)
	other := []*x509.Certificate{ca.Issue(t, lab.Leaf{}).Leaf}
	if h = look(); h.State != dane.None || safe(h, other) != hold || safe(h, old) != 0 {
		t.Errorf("%s, %s", h.State, safe(h, other))
	}

	// A server that says nothing usable is neither with nor without.
	ns[1].Mute(true)
	z.Set(line(next))
	if h = look(); h.Places[1].Unknown == "" || h.Places[0].Unknown != "" {
		t.Errorf("%+v", h.Places)
	}

	// A first look does not know what was there before it.
	ledger = dane.Ledger{}
	if h = look(); safe(h, next) != hold {
		t.Errorf("at the first look: %s", safe(h, next))
	}
}

// TestHiddenPrimary: a primary that the SOA record names and no NS record, and that answers
// nobody, is not asked, and no reason to wait; what the secondary servers have counts.
func TestHiddenPrimary(t *testing.T) {
	z := lab.NewZone(t, "test.")
	ns := z.NameServers(t, "ns1.test", "ns2.test")
	ca := lab.NewCA(t)
	old, next := []*x509.Certificate{ca.Issue(t, lab.Leaf{}).Leaf}, []*x509.Certificate{ca.Issue(t, lab.Leaf{}).Leaf}
	line := func(c []*x509.Certificate) string {
		return "_25._tcp.mx.test. 600 IN TLSA " + certs.NewTLSA(c[0]).String()
	}
	z.Set("test. 300 IN SOA hidden.test. hostmaster.test. 1 3600 900 1209600 300", "hidden.test. 300 IN A 127.83.6.1", "mx.test. 300 IN A 127.0.0.1", line(old))
	look := func() dane.Host {
		t.Helper()
		r := resolve.Resolver{Machine: host.Local{}, Servers: []string{z.Resolver}}
		return dane.Resolve(context.Background(), r, "mx.test", "25").Everywhere(context.Background(), r)
	}
	places := func(h dane.Host) (out []string) {
		for _, p := range h.Places {
			out = append(out, p.Server+p.Unknown)
		}
		slices.Sort(out)
		return out
	}
	h := look()
	if h.State != dane.Secure || !slices.Equal(places(h), []string{"ns1.test", "ns2.test"}) || h.Refresh != time.Hour {
		t.Fatalf("%+v", h)
	}
	// The hidden primary has a record that no other server has received.
	for _, s := range ns {
		s.Stop(true)
	}
	z.Set(line(old), line(next))
	if got := look().Refusals(next, nil, time.Now()); !slices.Equal(got, []string{"ns1.test", "ns2.test"}) {
		t.Errorf("before the transfer: %q", got)
	}
	for _, s := range ns {
		s.Stop(false)
	}
	if got := look().Refusals(next, nil, time.Now()); len(got) > 0 {
		t.Errorf("after the transfer: %q", got)
	}
}
