package publish_test

import (
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"postseal/certs"
	"postseal/internal/lab"
	"postseal/internal/publish"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// digest is a made-up digest of a key.
func digest(n int) string { return fmt.Sprintf("%064x", n) }

func record(t interface{ Fatal(...any) }, text string) certs.TLSA {
	r, err := certs.ParseTLSA(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// world is a zone, with what others may have been told about it, and somebody
// who does what he is told, sooner or later, and not always all of it.
type world struct {
	t       *rapid.T
	now     time.Time
	ttl     map[string]time.Duration
	refresh time.Duration
	owners  map[string][]string // records now
	past    map[string][]told   // what was published before
	keys    []publish.Key
	made    int
	mute    bool // no name can be looked up now
}

// told is what a zone said until a time, and how long that may be kept.
type told struct {
	until   time.Time
	ttl     time.Duration
	records []string
}

func (w *world) input() publish.Input {
	in := publish.Input{Now: w.now, Keys: w.keys, Wait: time.Hour}
	for _, name := range []string{"a", "b"} {
		o := publish.Owner{Name: name, State: publish.Signed, TTL: w.ttl[name], Refresh: w.refresh}
		if w.mute {
			o = publish.Owner{Name: name, State: publish.Unproved}
		}
		for _, r := range w.owners[name] {
			if !w.mute {
				o.Records = append(o.Records, record(w.t, r))
			}
		}
		in.Owners = append(in.Owners, o)
	}
	return in
}

// change replaces what is published for an owner, with one TTL for all of it.
func (w *world) change(owner string, records []string, ttl time.Duration) {
	w.past[owner] = append(w.past[owner], told{w.now, w.ttl[owner], w.owners[owner]})
	w.owners[owner], w.ttl[owner] = records, ttl
}

// observe looks at what is published, as a timer or the verb does.
func (w *world) observe() {
	owners := w.input().Owners
	for i, k := range w.keys {
		if k.Role == publish.Next {
			w.keys[i] = k.Observed(owners, w.now)
		}
	}
}

// check is the law: whatever answer somebody may still hold, or get from a
// secondary server that is behind, either names the key that is served or says
// that there are no records.
func (w *world) check() {
	for owner, now := range w.owners {
		states := [][]string{now}
		for _, p := range w.past[owner] {
			if w.now.Sub(p.until) < p.ttl+w.refresh {
				states = append(states, p.records)
			}
		}
		for _, s := range states {
			for _, k := range w.keys {
				if k.Role == publish.Current && len(s) > 0 && !strings.Contains(strings.Join(s, "\n"), k.Record()) {
					w.t.Fatalf("at %s somebody may know %q of %s, and %s is served", w.now, s, owner, k.Record())
				}
			}
		}
	}
}

func (w *world) next() publish.Key {
	w.made++
	return publish.Key{Algorithm: "ecdsa", Role: publish.Next, Digest: digest(w.made)}
}

// TestEveryCacheIsRight: whenever who keeps the zone does what the steps say,
// in their order, and rolls over when it is allowed, nobody ever holds an answer
// that does not name the key that is served.
func TestEveryCacheIsRight(t *testing.T) {
	rolled := 0
	rapid.Check(t, func(rt *rapid.T) {
		ttls := rapid.SampledFrom([]time.Duration{time.Minute, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour})
		w := &world{t: rt, now: start, owners: map[string][]string{"a": nil, "b": nil}, past: map[string][]told{}, ttl: map[string]time.Duration{}}
		w.refresh = rapid.SampledFrom([]time.Duration{0, time.Hour, 48 * time.Hour}).Draw(rt, "refresh")
		w.keys = []publish.Key{{Algorithm: "ecdsa", Role: publish.Current, Digest: digest(0)}, w.next()}
		for range rapid.IntRange(1, 60).Draw(rt, "events") {
			w.mute = false
			switch rapid.SampledFrom([]string{"wait", "wait", "obey", "obey", "observe", "mute", "TTL", "withdraw", "roll over", "roll over"}).Draw(rt, "event") {
			case "wait":
				w.now = w.now.Add(time.Duration(rapid.IntRange(1, 4000).Draw(rt, "minutes")) * time.Minute)
			case "observe":
				w.observe()
			case "mute":
				w.mute = true
				w.observe()
			case "TTL":
				w.observe() // what nobody looked at in between cannot be known
				owner := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "owner")
				w.change(owner, w.owners[owner], ttls.Draw(rt, "TTL"))
				w.observe()
			case "withdraw":
				w.observe()
				for _, owner := range []string{"a", "b"} {
					w.change(owner, nil, 0)
				}
			case "obey":
				w.observe() // as the verb does that says what to do
				steps := publish.Steps(w.input())
				n := rapid.IntRange(0, len(steps)).Draw(rt, "so many steps")
				for _, s := range steps[:n] {
					switch {
					case !s.Due:
					case s.Action == publish.Add:
						w.change(s.Owner, append(append([]string{}, w.owners[s.Owner]...), s.Record), time.Duration(s.TTL)*time.Second)
					case s.Action == publish.Remove:
						var rest []string
						for _, r := range w.owners[s.Owner] {
							if r != s.Record {
								rest = append(rest, r)
							}
						}
						w.change(s.Owner, rest, w.ttl[s.Owner])
					}
				}
			case "roll over":
				w.observe() // as the verb does
				at, _, err := publish.Allowed(w.input(), "ecdsa")
				if err != nil || w.now.Before(at) {
					break
				}
				rolled++
				next := w.next()
				var keys []publish.Key
				for _, k := range w.keys {
					switch k.Role {
					case publish.Current:
						k.Role, k.Gone = publish.Old, w.now
					case publish.Next:
						next = k.Successor(next.Digest)
						k = publish.Key{Algorithm: k.Algorithm, Role: publish.Current, Digest: k.Digest}
					}
					keys = append(keys, k)
				}
				keys = append(keys, next)
				w.keys = keys
				w.observe()
			}
			w.check()
		}
	})
	if rolled == 0 {
		t.Fatal("nothing was ever rolled over: the generator is broken")
	}
}

// TestAllowed: when, exactly, and why not.
func TestAllowed(t *testing.T) {
	current, next := "3 1 1 "+digest(1), "3 1 1 "+digest(2)
	seen := start.Add(-10 * time.Hour)
	owner := func(state publish.State, ttl, refresh time.Duration, records ...string) publish.Owner {
		o := publish.Owner{Name: "_25._tcp.mx.test", State: state, TTL: ttl, Refresh: refresh}
		for _, r := range records {
			o.Records = append(o.Records, record(t, r))
		}
		return o
	}
	for name, c := range map[string]struct {
		owners []publish.Owner
		seen   time.Time
		want   time.Duration // after seen; -1: at once
		err    string
	}{
		"least wait":       {[]publish.Owner{owner(publish.Signed, time.Hour, time.Hour, current, next)}, seen, 48 * time.Hour, ""},
		"a long TTL":       {[]publish.Owner{owner(publish.Signed, 30*time.Hour, time.Hour, current, next)}, seen, 60 * time.Hour, ""},
		"a slow secondary": {[]publish.Owner{owner(publish.Signed, time.Hour, 72*time.Hour, current, next)}, seen, 73 * time.Hour, ""},
		"missing":          {[]publish.Owner{owner(publish.Signed, time.Hour, time.Hour, current)}, seen, 0, "is not published for _25._tcp.mx.test"},
		"missing at one":   {[]publish.Owner{owner(publish.Signed, time.Hour, time.Hour, current, next), owner(publish.Signed, 1, 1, current)}, seen, 0, "is not published"},
		"never observed":   {[]publish.Owner{owner(publish.Signed, time.Hour, time.Hour, current, next)}, time.Time{}, 0, "start the waiting time"},
		"cannot be seen":   {[]publish.Owner{owner(publish.Unproved, 0, 0)}, seen, 0, "could not be verified"},
		"no DANE":          {[]publish.Owner{owner(publish.Signed, time.Hour, time.Hour)}, time.Time{}, -1, ""},
		"not signed":       {[]publish.Owner{owner(publish.Unsigned, time.Hour, time.Hour, current)}, time.Time{}, -1, ""},
	} {
		in := publish.Input{Now: start, Owners: c.owners, Keys: []publish.Key{
			{Algorithm: "rsa", Role: publish.Current, Digest: digest(1)}, {Algorithm: "rsa", Role: publish.Next, Digest: digest(2), Seen: c.seen}}}
		at, why, err := publish.Allowed(in, "rsa")
		want := c.seen.Add(c.want)
		if c.want < 0 {
			want = time.Time{}
		}
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v", name, err)
			}
		case err != nil || !at.Equal(want) || why == "":
			t.Errorf("%s: %s (%s), %v; want %s", name, at, why, err, want)
		}
	}
}

// TestFindings: each kind of record that is wrong is told, and what to do.
func TestFindings(t *testing.T) {
	ca := lab.NewCA(t)
	leaf := ca.Issue(t, lab.Leaf{}).Leaf
	key := publish.Key{Algorithm: "ecdsa", Role: publish.Current, Digest: hex.EncodeToString(certs.NewTLSA(leaf).Data), Chain: []*x509.Certificate{leaf}}
	good := certs.NewTLSA(leaf).String()
	for records, want := range map[string]string{
		good:                                                 "",
		"1 1 1 " + digest(1) + "\n" + good:                   "ignore this kind",
		"3 0 1 " + digest(1) + "\n" + good:                   "becomes wrong at each renewal",
		"2 0 1 " + digest(1) + "\n" + good:                   "when the CA changes it",
		"2 1 1 " + digest(1) + "\n" + good:                   "matches a CA that is not in the chain",
		"3 1 1 " + digest(1) + "\n" + good:                   "matches no key known here",
		"3 1 1 " + digest(1):                                 "none of its records matches a key in use",
		strings.Repeat(good+"\n", 12) + "3 1 1 " + digest(1): "some senders give up",
	} {
		o := publish.Owner{Name: "_25._tcp.mx.test", State: publish.Signed}
		for _, r := range strings.Split(records, "\n") {
			o.Records = append(o.Records, record(t, r))
		}
		found := publish.Findings(publish.Input{Owners: []publish.Owner{o}, Keys: []publish.Key{key}})
		var all string
		for _, f := range found {
			all += f.Text + "\n"
			if f.Hint == "" {
				t.Errorf("%s: no hint", f.Text)
			}
		}
		if want == "" && all != "" || !strings.Contains(all, want) {
			t.Errorf("%.60q: %q, want %q", records, all, want)
		}
	}
	// A next key has no chain, and hides nothing.
	o := publish.Owner{Name: "_25._tcp.mx.test", State: publish.Signed, Records: []certs.TLSA{record(t, good), record(t, "2 1 1 "+digest(1)), record(t, "3 1 1 "+digest(7))}}
	found := publish.Findings(publish.Input{Owners: []publish.Owner{o}, Keys: []publish.Key{key, {Algorithm: "ecdsa", Role: publish.Next, Digest: digest(7)}}})
	if len(found) != 1 || !strings.Contains(found[0].Text, "matches a CA that is not in the chain") {
		t.Errorf("%+v", found)
	}
	for state, want := range map[publish.State]string{publish.Unsigned: "none are suggested", publish.Unproved: "could not be verified"} {
		in := publish.Input{Owners: []publish.Owner{{Name: "x", State: state}}, Keys: []publish.Key{key}}
		found := publish.Findings(in)
		if len(found) != 1 || !strings.Contains(found[0].Text, want) || len(publish.Steps(in)) > 0 {
			t.Errorf("%s: %+v", state, found)
		}
	}
}

// TestRemoval: what names a key that was replaced goes twice its time to live
// later, and nothing goes while a key that is served is not named.
func TestRemoval(t *testing.T) {
	gone := start.Add(-time.Hour)
	in := publish.Input{
		Keys:   []publish.Key{{Algorithm: "rsa", Role: publish.Current, Digest: digest(1)}, {Algorithm: "rsa", Role: publish.Old, Digest: digest(2), Gone: gone}},
		Owners: []publish.Owner{{Name: "_25._tcp.mx.test", State: publish.Signed, TTL: 2 * time.Hour, Records: []certs.TLSA{record(t, "3 1 1 "+digest(1)), record(t, "3 1 1 "+digest(2))}}},
	}
	for after, due := range map[time.Duration]bool{4*time.Hour - time.Second: false, 4 * time.Hour: true} {
		in.Now = gone.Add(after)
		steps := publish.Steps(in)
		if len(steps) != 1 || steps[0].Action != publish.Remove || steps[0].Due != due || !steps[0].NotBefore.Equal(gone.Add(4*time.Hour)) || steps[0].Record != "3 1 1 "+digest(2) {
			t.Errorf("after %s: %+v", after, steps)
		}
	}
	in.Owners[0].Records = in.Owners[0].Records[1:]
	if steps := publish.Steps(in); len(steps) != 1 || steps[0].Action != publish.Add {
		t.Errorf("a record goes though what is served is not named: %+v", steps)
	}
}

// TestOthersStay: what another certificate beside this one is named by, or
// another server of the same name, is not ours to remove.
func TestOthersStay(t *testing.T) {
	in := publish.Input{
		Now: start,
		Keys: []publish.Key{
			{Algorithm: "ecdsa", Role: publish.Current, Digest: digest(1)}, {Algorithm: "rsa", Role: publish.Current, Other: true, Digest: digest(2)},
			{Algorithm: "ecdsa", Role: publish.Old, Digest: digest(2), Gone: start.Add(-time.Hour * 999)}, // the other took our old key
		},
		Owners: []publish.Owner{{Name: "_25._tcp.mx.test", State: publish.Signed, TTL: time.Hour}},
	}
	for _, n := range []int{1, 2, 3} {
		in.Owners[0].Records = append(in.Owners[0].Records, record(t, "3 1 1 "+digest(n)))
	}
	if steps := publish.Steps(in); len(steps) > 0 {
		t.Errorf("%+v", steps)
	}
	if found := publish.Findings(in); len(found) != 1 || !strings.Contains(found[0].Text, "3 1 1 00000000… matches no key known here") {
		t.Errorf("%+v", found)
	}
	in.Owners[0].Records = in.Owners[0].Records[:1]
	if steps := publish.Steps(in); len(steps) > 0 {
		t.Errorf("another's record is proposed: %+v", steps)
	}
}

// TestLasting: a record of the certificate of today does not do, since it is
// wrong after the next renewal; and what is added has the TTL that is there.
func TestLasting(t *testing.T) {
	leaf := lab.NewCA(t).Issue(t, lab.Leaf{}).Leaf
	key := publish.Key{Algorithm: "ecdsa", Role: publish.Current, Digest: hex.EncodeToString(certs.NewTLSA(leaf).Data), Chain: []*x509.Certificate{leaf}}
	whole := certs.TLSA{Usage: 3, Selector: 0, Matching: 0, Data: leaf.Raw}
	in := publish.Input{Now: start, Keys: []publish.Key{key}, Owners: []publish.Owner{{Name: "x", State: publish.Signed, TTL: 7 * 24 * time.Hour, Records: []certs.TLSA{whole}}}}
	steps := publish.Steps(in)
	if len(steps) != 1 || steps[0].Action != publish.Add || steps[0].Record != certs.NewTLSA(leaf).String() || steps[0].TTL != 7*24*3600 {
		t.Errorf("%+v", steps)
	}
	in.Owners[0].Records = nil
	if steps := publish.Steps(in); len(steps) != 1 || steps[0].TTL != 3600 {
		t.Errorf("%+v", steps)
	}
}

// TestObserved: when the clock starts, stops, and goes on.
func TestObserved(t *testing.T) {
	k := publish.Key{Algorithm: "ecdsa", Role: publish.Next, Digest: digest(2)}
	at := start
	look := func(state publish.State, ttl time.Duration, records ...string) publish.Input {
		o := publish.Owner{Name: "x", State: state, TTL: ttl}
		for _, r := range records {
			o.Records = append(o.Records, record(t, r))
		}
		at = at.Add(time.Minute)
		k = k.Observed([]publish.Owner{o}, at)
		return publish.Input{Now: at, Keys: []publish.Key{k}, Owners: []publish.Owner{o}, Wait: time.Hour}
	}
	current, next := "3 1 1 "+digest(1), "3 1 1 "+digest(2)
	if look(publish.Signed, 24*time.Hour, current); !k.Seen.IsZero() || k.Hold != 48*time.Hour {
		t.Fatalf("lacking: %+v", k)
	}
	// The TTL is lowered as the next key comes: who holds the old answer keeps it as long as it said then.
	in := look(publish.Signed, time.Minute, current, next)
	seen := at
	if got, why, err := publish.Allowed(in, "ecdsa"); err != nil || !got.Equal(seen.Add(48*time.Hour)) || !strings.Contains(why, "earlier answers may be cached for 48h") {
		t.Errorf("%s, %s, %v", got, why, err)
	}
	if look(publish.Unproved, 0); !k.Seen.Equal(seen) {
		t.Errorf("an answer that was lost stops the clock: %+v", k)
	}
	if look(publish.Signed, time.Minute, current, next); !k.Seen.Equal(seen) {
		t.Errorf("the clock starts anew: %+v", k)
	}
	// All is withdrawn: who holds what was there before is to forget it first.
	in = look(publish.Signed, 0)
	if got, why, err := publish.Allowed(in, "ecdsa"); err != nil || !got.Equal(at.Add(48*time.Hour)) || !strings.Contains(why, "the records were removed at") {
		t.Errorf("%s, %s, %v", got, why, err)
	}
	if look(publish.Signed, time.Minute, current, next); !k.Seen.Equal(at) {
		t.Errorf("it came back, and the clock went on: %+v", k)
	}
	if look(publish.Signed, time.Minute, current); !k.Seen.IsZero() {
		t.Errorf("it is gone, and the clock goes on: %+v", k)
	}
}

// TestNSUpdate: what is due, as nsupdate reads it, and nothing else.
func TestNSUpdate(t *testing.T) {
	got := publish.NSUpdate([]publish.Step{
		{Action: publish.Add, Owner: "_25._tcp.mx.test", Record: "3 1 1 " + digest(1), TTL: 3600, Due: true},
		{Action: publish.Add, Owner: "_25._tcp.mx.other", Record: "3 1 1 " + digest(1), TTL: 3600, Due: true},
		{Action: publish.Remove, Owner: "_25._tcp.mx.test", Record: "3 1 1 " + digest(2)},
		{Action: publish.Remove, Owner: "_25._tcp.mx.test", Record: "3 1 1 " + digest(3), Due: true},
		{Action: publish.RollOver, Algorithm: "rsa", Due: true},
	})
	want := "update add _25._tcp.mx.test. 3600 TLSA 3 1 1 " + digest(1) + "\nsend\nupdate add _25._tcp.mx.other. 3600 TLSA 3 1 1 " + digest(1) + "\nsend\nupdate delete _25._tcp.mx.test. TLSA 3 1 1 " + digest(3) + "\nsend\n"
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if publish.NSUpdate(nil) != "" {
		t.Error("an update of nothing")
	}
}

// TestWaiting: a first key that an order waits for is to be published where DANE is used,
// and the record of a compromised key is to be removed at once, whatever is missing.
func TestWaiting(t *testing.T) {
	now := time.Now()
	o := publish.Owner{Name: "_25._tcp.mx.test", State: publish.Signed, TTL: time.Hour, Records: []certs.TLSA{record(t, "3 1 1 "+digest(1))}}
	in := publish.Input{Now: now, Owners: []publish.Owner{o}, Keys: []publish.Key{{Algorithm: "ecdsa", Role: publish.Current, Digest: digest(1)}, {Algorithm: "rsa", Role: publish.Next, Digest: digest(2), First: true}}}
	if s := publish.Steps(in); len(s) != 1 || s[0].Action != publish.Add || s[0].Record != "3 1 1 "+digest(2) || !s[0].Due {
		t.Errorf("%+v", s)
	}
	in.Owners[0].Records = nil
	if s := publish.Steps(in); len(s) != 1 || s[0].Record != "3 1 1 "+digest(1) {
		t.Errorf("without DANE: %+v", s)
	}
	in = publish.Input{Now: now, Owners: []publish.Owner{o}, Keys: []publish.Key{{Algorithm: "ecdsa", Role: publish.Current, Digest: digest(3)}, {Algorithm: "ecdsa", Role: publish.Old, Digest: digest(1), Gone: now, Compromised: true}}}
	if s := publish.Steps(in); len(s) != 2 || s[0].Action != publish.Add || s[1].Action != publish.Remove || !s[1].Due {
		t.Errorf("compromised: %+v", s)
	}
}

// TestServers: a key is published once every name server has it.
func TestServers(t *testing.T) {
	now := time.Now()
	both := []certs.TLSA{record(t, "3 1 1 "+digest(1)), record(t, "3 1 1 "+digest(2))}
	o := publish.Owner{Name: "_25._tcp.mx.test", State: publish.Signed, TTL: time.Hour, Records: both, Servers: []publish.Server{{Name: "ns1.test", Records: both}, {Name: "ns2.test", Records: both[:1]}}}
	key := publish.Key{Algorithm: "ecdsa", Role: publish.Next, Digest: digest(2), Seen: now.AddDate(0, 0, -30)}
	in := publish.Input{Now: now, Owners: []publish.Owner{o}, Keys: []publish.Key{{Algorithm: "ecdsa", Role: publish.Current, Digest: digest(1)}, key}}
	if _, _, err := publish.Allowed(in, "ecdsa"); err == nil || !strings.Contains(err.Error(), "_25._tcp.mx.test at ns2.test") {
		t.Error(err)
	}
	if k := key.Observed(in.Owners, now); !k.Seen.IsZero() {
		t.Errorf("the clock goes on: %+v", k)
	}
	if f := publish.Findings(in); len(f) != 1 || !strings.Contains(f[0].Text, "ns2.test differs from ns1.test") {
		t.Errorf("%+v", f)
	}
	in.Owners[0].Servers[1] = publish.Server{Name: "ns2.test", Unknown: "SERVFAIL"}
	key.Seen = time.Time{}
	if k := key.Observed(in.Owners, now); !k.Seen.IsZero() {
		t.Errorf("the clock starts without one of the servers: %+v", k)
	}
}

// TestSilentServer: what a name server has that does not answer is not known: nothing is
// to be added for it, and no other server differs from it.
func TestSilentServer(t *testing.T) {
	set := []certs.TLSA{record(t, "3 1 1 "+digest(1))}
	o := publish.Owner{Name: "_25._tcp.mx.test", State: publish.Signed, TTL: time.Hour, Records: set, Servers: []publish.Server{{Name: "ns1.test", Unknown: "SERVFAIL"}, {Name: "ns2.test", Records: set}}}
	in := publish.Input{Now: start, Owners: []publish.Owner{o}, Keys: []publish.Key{{Algorithm: "ecdsa", Role: publish.Current, Digest: digest(1)}}}
	if steps := publish.Steps(in); len(steps) > 0 {
		t.Errorf("%+v", steps)
	}
	if found := publish.Findings(in); len(found) != 1 || !strings.Contains(found[0].Text, "ns1.test") || strings.Contains(found[0].Text, "differs") {
		t.Errorf("%+v", found)
	}
	in.Owners[0].Servers[1].Records = nil
	if steps := publish.Steps(in); len(steps) != 1 {
		t.Errorf("what a server lacks is not added: %+v", steps)
	}
}

// TestResolverBehind: records that the name servers have count, though the resolver still
// denies them: a next key waits as long as it must.
func TestResolverBehind(t *testing.T) {
	set := []certs.TLSA{record(t, "3 1 1 "+digest(1))}
	o := publish.Owner{Name: "_25._tcp.mx.test", State: publish.Signed, TTL: time.Hour, Servers: []publish.Server{{Name: "ns1.test", Records: set}}}
	next := publish.Key{Algorithm: "ecdsa", Role: publish.Next, Digest: digest(2), Seen: start, Empty: true}.Observed([]publish.Owner{o}, start.Add(time.Hour))
	if !next.Seen.IsZero() || next.Hold != 2*time.Hour {
		t.Errorf("the clock goes on: %+v", next)
	}
	in := publish.Input{Now: start.Add(time.Hour), Owners: []publish.Owner{o}, Keys: []publish.Key{{Algorithm: "ecdsa", Role: publish.Current, Digest: digest(1)}, next}}
	if at, why, err := publish.Allowed(in, "ecdsa"); err == nil {
		t.Errorf("allowed from %s: %s", at, why)
	}
}
