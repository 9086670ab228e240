package lineage

import (
	"context"
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"postseal/certs"
	"postseal/internal/publish"
)

// event is one thing that happens.
func (w *year) event() {
	switch n := w.rand.IntN(16); {
	case n < 4:
		w.fail(n, w.servers[w.rand.IntN(len(w.servers))])
	case n < 8:
		w.obey()
	case n == 8:
		w.disobey()
	case n < 11: // the timer, which renews now and then
		if w.look(); w.rand.IntN(8) == 0 {
			old, err := w.keeper.there(w.keeper.Path(w.l, "ecdsa"))
			w.must(err)
			w.install(old.Key, false)
		}
	case n < 14: // an administrator who cannot wait
		if w.keeper.mayRollOver(w.l, w.look(), false) != nil {
			w.refusals++
			break
		}
		next, err := w.keeper.next(w.l, "P256", false)
		w.must(err)
		w.install(next, true)
		w.look()
	case n == 14:
		w.imported(w.foreign)
	default:
		key, err := w.keeper.readNext(w.keeper.nextPath(w.l, "ecdsa"))
		w.must(err)
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		w.must(err)
		w.imported(certs.Chain{Certs: []*x509.Certificate{{RawSubjectPublicKeyInfo: der, PublicKey: key.Public()}}})
	}
	w.check("something happened")
}

// fail lets a name server, or the resolver, fail in one way, or recover.
func (w *year) fail(how int, s *nameServer) {
	fails := w.rand.IntN(8) == 0
	switch secondary := s != w.servers[0]; how {
	case 0:
		if !s.mute && fails {
			w.leave(s)
		}
		s.mute = !s.mute && fails
	case 1:
		s.deaf = !s.deaf && fails
	case 2:
		if s.behind = !s.behind && secondary && fails; !s.behind && secondary {
			w.sync(s)
		}
	case 3:
		w.down = !w.down && fails
	}
}

// look looks at what is published, as the timer and all verbs do.
func (w *year) look() publish.Input {
	in, err := w.keeper.Observe(context.Background(), w.l)
	w.must(err)
	in.Wait = w.keeper.Wait
	return in
}

// seen reports whether the primary answered: a zone that changes where nobody can look is
// not what this is about.
func seen(in publish.Input) bool {
	servers := in.Owners[0].Servers
	return len(servers) > 0 && servers[0].Unknown == ""
}

// obey does what publish says, or the first of it.
func (w *year) obey() {
	in := w.look()
	if !seen(in) {
		return
	}
	steps := publish.Steps(in)
	for _, step := range steps[:w.rand.IntN(len(steps)+1)] {
		switch {
		case !step.Due:
		case step.Action == publish.Add && !slices.Contains(w.zone.values, step.Record):
			w.change(append(slices.Clone(w.zone.values), step.Record), time.Duration(step.TTL)*time.Second)
		case step.Action == publish.Remove:
			w.change(w.without(step.Record), w.zone.ttl)
		}
	}
	w.look()
}

// disobey changes the TTL or, rarely, removes the record of the next key, or all records.
func (w *year) disobey() {
	if !seen(w.look()) {
		return
	}
	switch w.rand.IntN(8) {
	case 0:
		w.change(nil, w.ttl())
	case 1:
		w.change(w.without("3 1 1 "+w.l.Issued["ecdsa"].Next.Digest), w.ttl())
	default:
		w.change(w.zone.values, w.ttl())
	}
	w.look()
}

func (w *year) without(record string) []string {
	return slices.DeleteFunc(slices.Clone(w.zone.values), func(r string) bool { return r == record })
}

// days lets the server live for so many days, or until the law is broken.
func (w *year) days(n int) {
	for end := w.Clock.AddDate(0, 0, n); w.Clock.Before(end) && w.broken == ""; {
		w.event()
		w.pass(time.Duration(1+w.rand.IntN(12*60)) * time.Minute)
		w.check("time passed")
	}
}

// TestYear: in 400 days of renewals, roll-overs, impatient administrators and failing name
// servers there is no moment at which a set of TLSA records that a sender may have fails to
// authenticate what is served.
func TestYear(t *testing.T) {
	rolled, cleared := 0, 0
	for seed := range uint64(4) {
		w := newYear(t, seed)
		w.days(400)
		if w.broken != "" {
			t.Errorf("seed %d: %s", seed, w.broken)
		}
		t.Logf("seed %d: %d roll-overs, %d times refused, %d times no risk", seed, w.rolled, w.refusals, w.cleared)
		rolled, cleared = rolled+w.rolled, cleared+w.cleared
	}
	if rolled < 8 || cleared == 0 {
		t.Errorf("%d roll-overs, %d times no risk: the simulation is not what it was", rolled, cleared)
	}
}

// TestYearFindsFaults: a program that asks one name server, or does not wait, breaks the law.
func TestYearFindsFaults(t *testing.T) {
	for name, plant := range map[string]func(*year){
		"one server": func(w *year) { w.oneServer = true },
		"no wait":    func(w *year) { w.noTime = true },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(6) {
				w := newYear(t, seed)
				plant(w)
				if w.days(400); w.broken != "" {
					return
				}
			}
			t.Error("the fault is not found")
		})
	}
}
