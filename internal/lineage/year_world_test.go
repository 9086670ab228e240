package lineage

import (
	"context"
	"crypto"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/certs"
	"postseal/internal/dane"
	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/plan"
	"postseal/internal/resolve"
)

// The one name of the simulated server, its zone, and the resolver.
const (
	yearHost     = "mx.example.org"
	yearOwner    = "_25._tcp." + yearHost
	yearResolver = "127.0.0.1:53"
)

// set is what a name server has for the owner.
type set struct {
	values []string
	ttl    time.Duration
}

// nameServer is one authoritative server of the zone. The first is the primary.
type nameServer struct {
	name, addr string
	set        set
	synced     time.Time // when it last looked whether the zone changed
	behind     bool      // it does not receive changes
	mute       bool      // it answers nobody
	deaf       bool      // it does not answer this machine
}

// year is a simulated year: a zone with several servers, the caches of all senders, and a
// keeper of certificates that sees all that through DNS alone.
type year struct {
	*host.Fake
	files   map[string][]byte // instead of real ones, which take time
	t       testing.TB
	rand    *rand.Rand
	keeper  *Keeper
	l       *Lineage
	zone    set
	servers []*nameServer
	refresh time.Duration
	cached  map[string]time.Time // by senders: sets, joined, and until when
	here    set                  // cached by the resolver of this machine
	until   time.Time
	down    bool // that resolver does not answer
	foreign certs.Chain
	// Faults of the program, by what it would not see.
	oneServer, noTime bool

	broken           string // how the law was broken, once it was
	rolled, refusals int
	cleared          int // how often a chain was found safe that is not served
}

func newYear(t testing.TB, seed uint64) *year {
	t.Helper()
	target := filepath.Join("/etc/postseal/certs", yearHost, "ecdsa.pem")
	first, err := certs.NewServer(nil, []string{yearHost}, lab.Noon)
	if err != nil {
		t.Fatal(err)
	}
	w := &year{t: t, rand: rand.New(rand.NewPCG(seed, 18)), cached: map[string]time.Time{}, here: set{}}
	pem, err := first.PEM()
	if err != nil {
		t.Fatal(err)
	}
	w.Fake = lab.Machine(t, "3.7.11", map[string]string{
		"main.cf":   "myhostname = " + yearHost + "\nmydestination =\nsmtpd_tls_security_level = may\nsmtpd_tls_chain_files = " + target + "\n",
		"master.cf": "smtp inet n - n - - smtpd\n",
		target:      string(pem), "/etc/resolv.conf": "nameserver 127.0.0.1\n",
	})
	if w.foreign, err = certs.NewServer(nil, []string{yearHost}, lab.Noon); err != nil {
		t.Fatal(err)
	}
	w.refresh = []time.Duration{0, 2 * time.Hour, 24 * time.Hour}[w.rand.IntN(3)]
	for i := range 3 {
		w.servers = append(w.servers, &nameServer{name: fmt.Sprintf("ns%d.example.org", i+1), addr: fmt.Sprintf("192.0.2.%d", i+1), synced: w.Clock})
	}
	w.zone.ttl = time.Hour
	if w.rand.IntN(2) == 0 { // it was published long ago, or until a moment ago with another record beside it
		record := certs.NewTLSA(first.Leaf()).String()
		w.change([]string{record, certs.NewTLSA(w.foreign.Leaf()).String()}, w.ttl())
		w.change([]string{record}, w.ttl())
	}
	f, err := detect.Look(context.Background(), w, "", "/etc/postseal/certs", nil)
	if err != nil {
		t.Fatal(err)
	}
	f.Root = true
	w.files = map[string][]byte{target: pem}
	w.keeper = &Keeper{Store: Store{M: w, StateDir: "/var/lib/postseal", CertsDir: "/etc/postseal/certs"}, Facts: f, Wait: time.Minute}
	if f.Resolver.Validates != detect.Yes || !w.keeper.shows(target) || len(f.ServedChains()) != 1 {
		t.Fatalf("the server is not what it should be: %+v, %d chains", f.Resolver, len(f.ServedChains()))
	}
	w.l = &Lineage{Name: yearHost, Names: []string{yearHost}, KeyTypes: []string{"P256"}, Issued: map[string]*Issued{"ecdsa": {KeyType: "P256"}}}
	w.must(w.keeper.prepareNext(w.l, "ecdsa", first.Facts(nil).PublicKey))
	w.must(w.keeper.Save(w.l))
	return w
}

func (w *year) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// ReadFile implements host.Reader.
func (w *year) ReadFile(path string) ([]byte, error) {
	if w.files == nil {
		return w.Fake.ReadFile(path)
	}
	data, ok := w.files[path]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return data, nil
}

// Stat implements host.Reader.
func (w *year) Stat(path string) (host.Info, error) {
	if w.files == nil {
		return w.Fake.Stat(path)
	}
	_, err := w.ReadFile(path)
	return host.Info{Mode: 0o600}, err
}

// ReadOwn implements host.Reader.
func (w *year) ReadOwn(path string) ([]byte, error) { return w.ReadFile(path) }

// Exposed implements host.Reader.
func (w *year) Exposed(string) ([]host.Exposure, error) { return nil, nil }

// Resolve implements host.Reader.
func (w *year) Resolve(path string) (string, error) { return path, nil }

// Glob implements host.Reader.
func (w *year) Glob(pattern string) (out []string, err error) {
	for path := range w.files {
		if ok, _ := filepath.Match(pattern, path); ok {
			out = append(out, path)
		}
	}
	return out, nil
}

// MkdirAll implements host.Machine.
func (w *year) MkdirAll(string, fs.FileMode) ([]string, error) { return nil, nil }

// Replace implements host.Machine.
func (w *year) Replace(path string, data []byte, _ fs.FileMode) error {
	w.files[path] = data
	return nil
}

// ReplaceSecret implements host.Machine.
func (w *year) ReplaceSecret(path string, data []byte) error { return w.Replace(path, data, 0) }

// ttl is one that an administrator may choose.
func (w *year) ttl() time.Duration {
	return []time.Duration{time.Minute, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}[w.rand.IntN(4)]
}

// change puts another set in the zone. The primary has it at once; the others hear of it,
// or look for themselves in time.
func (w *year) change(values []string, ttl time.Duration) {
	w.zone = set{slices.Sorted(slices.Values(values)), ttl}
	for i, s := range w.servers {
		if i == 0 || w.rand.IntN(2) == 0 && !s.behind {
			w.sync(s)
		}
	}
}

// sync lets a server have what the zone has now. What it had stays in caches.
func (w *year) sync(s *nameServer) {
	w.leave(s)
	s.set, s.synced = w.zone, w.Clock
	w.check("a name server changed")
}

// leave notes that senders were given the set of a server until now.
func (w *year) leave(s *nameServer) {
	if key := strings.Join(s.set.values, "\n"); !s.mute && w.cached[key].Before(w.Clock.Add(s.set.ttl)) {
		w.cached[key] = w.Clock.Add(s.set.ttl)
	}
}

// pass lets time pass. Secondary servers look for changes on the way.
func (w *year) pass(d time.Duration) {
	end := w.Clock.Add(d)
	for {
		var next *nameServer
		for _, s := range w.servers[1:] {
			if due := s.synced.Add(w.refresh); !s.behind && !slices.Equal(s.set.values, w.zone.values) && (next == nil || due.Before(next.synced.Add(w.refresh))) {
				next = s
			}
		}
		if next == nil || next.synced.Add(w.refresh).After(end) {
			break
		}
		if due := next.synced.Add(w.refresh); due.After(w.Clock) {
			w.Clock = due
		}
		w.sync(next)
	}
	w.Clock = end
	w.keeper.Facts.Now = end
	maps.DeleteFunc(w.cached, func(_ string, until time.Time) bool { return !until.After(end) })
}

// known are the sets that a sender may have, or be given, now.
func (w *year) known() map[string]bool {
	out := map[string]bool{}
	for key, until := range w.cached {
		if until.After(w.Clock) {
			out[key] = true
		}
	}
	for _, s := range w.servers {
		if !s.mute {
			out[strings.Join(s.set.values, "\n")] = true
		}
	}
	return out
}

// refused returns a set that a sender may know now, and with which it refuses the record
// of a key; empty if there is none.
func (w *year) refused(record string) string {
	for key := range w.known() {
		if key != "" && !strings.Contains(key, record) {
			return key
		}
	}
	return ""
}

// check is the law: every set that a sender may know authenticates what is served.
func (w *year) check(when string) {
	if w.keeper == nil || w.broken != "" {
		return
	}
	record := certs.NewTLSA(w.keeper.Facts.ServedChains()[0][0]).String()
	if with := w.refused(record); with != "" {
		w.broken = fmt.Sprintf("at %s, when %s, a sender may know\n%s\nand what is served is\n%s", w.Clock, when, with, record)
	}
}

// LookUp answers for the resolver and for the name servers.
func (w *year) LookUp(_ context.Context, server, name string, kind uint16) (host.Answer, error) {
	refresh, names := w.refresh, 3
	if w.noTime {
		refresh = 0
	}
	if w.oneServer {
		names = 1
	}
	yes := host.Answer{RCode: "NOERROR", AD: true, TTL: 300}
	if i := slices.IndexFunc(w.servers, func(s *nameServer) bool { return s.addr+":53" == server }); i >= 0 {
		switch s := w.servers[i]; {
		case s.deaf:
			return host.Answer{}, context.DeadlineExceeded
		case s.mute:
			return host.Answer{RCode: "SERVFAIL"}, nil
		default:
			yes.Authoritative, yes.AD = true, false
			return w.answer(yes, s.set), nil
		}
	}
	switch {
	case w.down:
		return host.Answer{}, context.DeadlineExceeded
	case kind == resolve.SOA && name == "example.org":
		yes.Records = []string{fmt.Sprintf("ns1.example.org. hostmaster.example.org. 1 %d 900 1209600 300", int(refresh/time.Second))}
	case kind == resolve.NS && name == "example.org":
		for _, s := range w.servers[:names] {
			yes.Records = append(yes.Records, s.name+".")
		}
	case kind == resolve.NS && name == ".":
		yes.Records = []string{"a.root-servers.net."}
	case kind == resolve.A && name == yearHost:
		yes.Records = []string{"192.0.2.25"}
	case kind == resolve.A:
		for _, s := range w.servers {
			if s.name == name {
				yes.Records = []string{s.addr}
			}
		}
	case kind == resolve.TLSA && name == yearOwner:
		return w.resolved(yes), nil
	}
	return yes, nil
}

// resolved is the answer of the resolver about the owner: from its cache, or that of a
// name server.
func (w *year) resolved(yes host.Answer) host.Answer {
	if !w.until.After(w.Clock) {
		from := slices.DeleteFunc(slices.Clone(w.servers), func(s *nameServer) bool { return s.mute || s.deaf || w.oneServer && s != w.servers[0] })
		if len(from) == 0 {
			return host.Answer{RCode: "SERVFAIL"}
		}
		w.here = from[w.rand.IntN(len(from))].set
		w.until = w.Clock.Add(w.here.ttl)
	}
	return w.answer(yes, set{w.here.values, w.until.Sub(w.Clock)})
}

func (w *year) answer(yes host.Answer, s set) host.Answer {
	yes.Records, yes.TTL = s.values, uint32(s.ttl/time.Second)
	if w.noTime {
		yes.TTL = 0
	}
	return yes
}

// install does with a key what Keeper.one does with it once the CA has signed.
func (w *year) install(key crypto.Signer, rolled bool) {
	ctx, k, target := context.Background(), w.keeper, w.keeper.Path(w.l, "ecdsa")
	if err := k.guardKey(ctx, w.l, key, target); err != nil {
		w.refusals++
		return
	}
	chain, err := certs.NewServer(key, []string{yearHost}, w.Clock)
	w.must(err)
	if err := k.guard(ctx, w.l, chain, target); err != nil {
		w.refusals++
		return
	}
	old, err := k.there(target)
	w.must(err)
	pem, err := chain.PEM()
	w.must(err)
	w.must(w.ReplaceSecret(target, pem))
	clear(k.Facts.PEM)
	k.Facts.Inspect(w, []string{target})
	now, f := &Issued{KeyType: "P256"}, chain.Facts(nil)
	k.inherit(now, w.l.Issued["ecdsa"], old, rolled)
	w.l.Issued["ecdsa"] = now
	w.must(k.prepareNext(w.l, "ecdsa", f.PublicKey))
	w.must(k.Save(w.l))
	w.check("a certificate was installed")
	if rolled {
		w.rolled++
	}
}

// imported is a user who would present another certificate now, if it carries no risk.
func (w *year) imported(c certs.Chain) {
	f := w.keeper.Facts
	f.DANE = detect.Published(context.Background(), w, f.Resolver, []string{yearHost})
	f.Cached, f.TLSA, f.Unanswered = w.keeper.Seen(f.DANE), map[string][]certs.TLSA{}, map[string]string{}
	switch h := f.DANE[0]; h.State {
	case dane.Secure:
		f.TLSA[h.Base] = h.Set
	case dane.Unknown:
		f.Unanswered[h.Name] = h.Why
	}
	if len(plan.DANERisks(f, c)) > 0 {
		w.refusals++
		return
	}
	w.cleared++
	record := certs.NewTLSA(c.Leaf()).String()
	if with := w.refused(record); with != "" && w.broken == "" {
		w.broken = fmt.Sprintf("at %s no risk is named of presenting\n%s\nand a sender may know\n%s", w.Clock, record, with)
	}
}
