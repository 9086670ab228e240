package dane_test

import (
	"crypto/x509"
	"testing"
	"time"

	"postseal/certs"
	"postseal/internal/dane"
	"postseal/internal/lab"
)

// TestLedger: what a sender may still have is remembered also where one look alone does not
// show it.
func TestLedger(t *testing.T) {
	ca := lab.NewCA(t)
	served, other := []*x509.Certificate{ca.Issue(t, lab.Leaf{}).Leaf}, []*x509.Certificate{ca.Issue(t, lab.Leaf{}).Leaf}
	a, b := certs.NewTLSA(served[0]).String(), certs.NewTLSA(other[0]).String()
	start := time.Now()
	const day = 24 * time.Hour
	host := func(ttl time.Duration, places ...dane.Place) dane.Host {
		h := dane.Host{Name: "mx.test", Base: "mx.test", Owner: "_25._tcp.mx.test", State: dane.Secure, Signed: true, TTL: ttl, Values: places[0].Values, Places: places}
		h.Set = dane.Parse(h.Values)
		return h
	}
	at := func(name string, values ...string) dane.Place {
		return dane.Place{Server: name, Values: values, Set: dane.Parse(values)}
	}
	silent := dane.Place{Server: "ns2.test", Unknown: "no answer in time"}
	absent := host(7*day, at("ns1.test", a), at("ns2.test", a))
	absent.State, absent.Values, absent.Set = dane.None, nil, nil
	type look struct {
		after time.Duration
		dane.Host
	}
	for name, c := range map[string]struct {
		looks []look
		safe  time.Duration // after the start; 0: now
	}{
		"nothing remarkable": {[]look{{0, host(time.Hour, at("ns1.test", a, b))}, {day, host(time.Hour, at("ns1.test", a, b))}}, 0},
		"a lowered TTL": {[]look{
			{0, host(7*day, at("ns1.test", a))}, {day, host(time.Minute, at("ns1.test", a))}, {2 * day, host(time.Minute, at("ns1.test", a))}, {3 * day, host(time.Minute, at("ns1.test", a, b))},
		}, 15 * day},
		"a server that was silent for long": {[]look{
			{0, host(time.Hour, at("ns1.test", a), at("ns2.test", a))}, {day, host(time.Hour, at("ns1.test", a, b), silent)}, {9 * day, host(time.Hour, at("ns1.test", a, b), at("ns2.test", a, b))},
		}, 9*day + 2*time.Hour},
		"a resolver that still denies the records": {[]look{{0, absent}, {day, host(time.Hour, at("ns1.test", a, b))}}, 15 * day},
		"a change that nobody saw whole": {[]look{
			{0, host(time.Hour, at("ns1.test", a, b))}, {day, host(time.Hour, at("ns1.test"))}, {day + time.Minute, host(time.Hour, at("ns1.test", a, b))},
		}, day + time.Minute + 2*time.Hour},
	} {
		ledger, now := dane.Ledger{}, start
		var h dane.Host
		for _, l := range c.looks {
			h, now = l.Host, start.Add(l.after)
			ledger.Note(h, now)
		}
		want := start.Add(c.safe)
		if c.safe == 0 {
			want = time.Time{}
		}
		if got, why := ledger.Safe(h, other, [][]*x509.Certificate{served}, nil, now); !got.Equal(want) {
			t.Errorf("%s: safe after %s (%s), want %s", name, got.Sub(start), why, c.safe)
		}
	}
}
