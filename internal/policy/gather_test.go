package policy_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"postseal/internal/dane"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/policy"
	"postseal/internal/resolve"
	"postseal/internal/sink"
)

// outside is this machine, but for where connections go; it counts lookups and
// connections.
type outside struct {
	host.Local
	ports          map[string]string
	lookups, dials atomic.Int64
}

func (m *outside) LookUp(ctx context.Context, server, name string, kind uint16) (host.Answer, error) {
	m.lookups.Add(1)
	return m.Local.LookUp(ctx, server, name, kind)
}

func (m *outside) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	m.dials.Add(1)
	to, ok := m.ports[addr]
	if !ok {
		to = "127.0.0.1:1" // nothing listens there
	}
	return m.Local.Dial(ctx, network, to)
}

// world is a signed zone, mail servers and a web server.
type world struct {
	*outside
	t    *testing.T
	zone *lab.Zone
	ids  *sink.Identities
	g    policy.Gatherer
	now  time.Time
	st   *policy.State
	// answer is what the web server does.
	answer http.HandlerFunc
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{outside: &outside{ports: map[string]string{}}, t: t, zone: lab.NewZone(t, "test."), now: time.Now()}
	var err error
	if w.ids, err = sink.NewIdentities("mx.a.test"); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(w.ids.RootPEM))
	ca := lab.NewCA(t)
	web := x509.NewCertPool()
	web.AppendCertsFromPEM([]byte(ca.RootPEM))
	for addr, name := range map[string]string{"127.0.0.12": "mta-sts.a.test", "127.0.0.13": "another.test"} {
		i := ca.Issue(t, lab.Leaf{Names: []string{name}})
		pair, err := tls.X509KeyPair([]byte(i.Cert+ca.IntermediatePEM), []byte(i.Key))
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.answer(rw, r) }))
		s.TLS, s.Config.ErrorLog = &tls.Config{Certificates: []tls.Certificate{pair}}, log.New(io.Discard, "", 0)
		s.StartTLS()
		t.Cleanup(s.Close)
		w.ports[addr+":443"] = s.Listener.Addr().String()
	}
	plain := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.answer(rw, r) }))
	t.Cleanup(plain.Close)
	w.ports["127.0.0.14:443"] = plain.Listener.Addr().String()
	w.g = policy.Gatherer{
		Machine: w.outside, Resolver: resolve.Resolver{Machine: w.outside, Servers: []string{w.zone.Resolver}}, Validates: true, Roots: roots, WebRoots: web,
		Port: "25", Parallel: 8, Now: func() time.Time { return w.now },
	}
	w.fresh()
	w.publish("127.0.0.12")
	return w
}

// fresh forgets all evidence.
func (w *world) fresh() {
	w.t.Helper()
	st, err := policy.At(&host.Fake{Root: w.t.TempDir()}, "/state", "").Read()
	if err != nil {
		w.t.Fatal(err)
	}
	w.st = st
	w.st.Know([]policy.Destination{{Name: "a.test"}})
}

// publish has the zone say where the web server of a.test is.
func (w *world) publish(web string) {
	w.zone.Set("a.test. 300 IN MX 10 mx.a.test.", "mx.a.test. 300 IN A 127.0.0.11", "mta-sts.a.test. 300 IN A "+web, `_mta-sts.a.test. 300 IN TXT "v=STSv1; id=1;"`)
}

// serve starts a mail server at an address.
func (w *world) serve(addr, behaviour string) {
	w.t.Helper()
	b, _ := sink.Named(behaviour)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = (&sink.Server{Behaviour: b, Host: "mx.a.test", Identities: w.ids}).Serve(ctx, l)
	}()
	w.t.Cleanup(func() { cancel(); <-done })
	w.ports[addr+":25"] = l.Addr().String()
}

func (w *world) gather() policy.Evidence {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	w.g.Gather(ctx, w.st, []string{"a.test"})
	if ctx.Err() != nil {
		w.t.Fatal("it hangs")
	}
	return w.st.Evidence("a.test")
}

var soon = policy.Setting{Default: "may", Rule: policy.Rule{Patience: 24 * time.Hour}}

// say answers with a policy.
func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, text)
	}
}

// TestPublishedPolicies: policies as they are published, and servers that do not serve
// them as they must: none counts, and none takes the place of a good one that was fetched
// before.
func TestPublishedPolicies(t *testing.T) {
	const good = "version: STSv1\nmode: enforce\nmx: *.a.test\nmax_age: 604800\n"
	w := newWorld(t)
	w.g.NoHandshakes = true
	for name, x := range map[string]struct {
		web     string
		answer  http.HandlerFunc
		problem string
		level   string // of the policy alone
	}{
		"good":                    {"127.0.0.12", say(good), "", "secure match=.a.test servername=hostname"},
		"good, and nmx beside mx": {"127.0.0.12", say(good + "nmx: evil.test\n"), "", "secure match=.a.test servername=hostname"},
		"good, and an address":    {"127.0.0.12", say(good + "mx: 192.0.2.1\nmx: [::1]\nmx: a b\nmx: x=y\nmx: *\n"), "", "secure match=.a.test servername=hostname"},
		"nmx for mx":              {"127.0.0.12", say(strings.Replace(good, "mx:", "nmx:", 1)), "lists no mx", ""},
		"addresses alone":         {"127.0.0.12", say(strings.Replace(good, "*.a.test", "192.0.2.1", 1)), "", ""},
		"without max_age":         {"127.0.0.12", say(strings.Replace(good, "max_age", "max-age", 1)), "no max_age", ""},
		"a max_age of 0":          {"127.0.0.12", say(strings.Replace(good, "604800", "0", 1)), "", ""},
		"testing":                 {"127.0.0.12", say(strings.Replace(good, "enforce", "testing", 1)), "", ""},
		"10 MB":                   {"127.0.0.12", say(good + strings.Repeat("x: y\n", 2<<20)), "more than 64 KiB", ""},
		"a redirect":              {"127.0.0.12", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) }, "redirects", ""},
		"as HTML":                 {"127.0.0.12", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>"+good) }, "text/html", ""},
		"another certificate":     {"127.0.0.13", say(good), "certificate is valid for another.test", ""},
		"HTTP without TLS":        {"127.0.0.14", say(good), "HTTP response to HTTPS", ""},
		"nothing listens":         {"127.0.0.15", say(good), "refused", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w.t, w.answer = t, x.answer
			w.publish(x.web)
			w.fresh()
			e := w.gather()
			problem := ""
			if e.Domain.STS != nil {
				problem = e.Domain.STS.Problem
			}
			got := policy.Supported(e, soon, w.now)
			if text := strings.TrimSpace(got.Level + " " + strings.Join(got.Attributes, " ")); text != x.level || (problem == "") != (x.problem == "") || !strings.Contains(problem, x.problem) {
				t.Errorf("%q, and the problem is %q", text, problem)
			}
			if x.problem == "" {
				return
			}
			w.fresh()
			w.st.Domains["a.test"].STS = &policy.STS{ID: "0", Mode: "enforce", MX: []string{"mx.a.test"}, MaxAge: 86400, Fetched: w.now.Add(-time.Hour)}
			before := policy.Entry{Level: "secure", Attributes: []string{"match=mx.a.test", "servername=hostname"}, Basis: policy.BySTS}
			if d := policy.Decide(w.gather(), before, nil, nil, soon, w.now); d.Change != nil {
				t.Errorf("it takes the place of the one before: %+v", d.Change)
			}
			if d := policy.Decide(w.st.Evidence("a.test"), before, nil, nil, soon, w.now.Add(24*time.Hour)); d.Change == nil || d.Change.Code != policy.STSExpired {
				t.Errorf("after its max_age: %+v", d.Change)
			}
		})
	}
}

// TestHostileDNS: whatever is done to lookups, an entry that rests on TLSA records stays;
// that they are gone counts once DNSSEC proves it. A rerun asks nothing again.
func TestHostileDNS(t *testing.T) {
	w := newWorld(t)
	w.answer = http.NotFound
	w.serve("127.0.0.11", "trusted")
	tlsa, err := w.ids.TLSA(sink.Good)
	if err != nil {
		t.Fatal(err)
	}
	w.zone.Set("_25._tcp.mx.a.test. 300 IN TLSA " + tlsa)
	w.zone.Remove("_mta-sts.a.test.", dns.TypeTXT)
	e := w.gather()
	entry := policy.Supported(e, soon, w.now)
	if entry.Level != "dane-only" || len(e.Servers) != 1 || len(e.Servers[0].Sessions) != 1 || !e.Servers[0].Sessions[0].Matched || !e.Servers[0].Sessions[0].Valid {
		t.Fatalf("%+v\n%+v", entry, e)
	}
	lookups, dials := w.lookups.Load(), w.dials.Load()
	if w.gather(); w.lookups.Load() != lookups || w.dials.Load() != dials {
		t.Errorf("a rerun makes %d lookups and %d connections", w.lookups.Load()-lookups, w.dials.Load()-dials)
	}
	later := func(what string, change func(), want policy.Code) {
		t.Helper()
		change()
		w.now = w.now.Add(2 * time.Hour)
		d := policy.Decide(w.gather(), entry, nil, nil, soon, w.now)
		code := policy.Code("")
		if d.Change != nil {
			code = d.Change.Code
		}
		if code != want {
			t.Errorf("%s: %+v", what, d.Change)
		}
	}
	resolver := w.g.Resolver.Servers
	later("nothing answers", func() { w.g.Resolver.Servers = []string{"127.0.0.1:1"} }, "")
	if f := w.st.Evidence("a.test"); f.Domain.Failures != 1 || f.Domain.Why == "" || f.Servers[0].DANE != dane.Secure {
		t.Errorf("%+v", f)
	}
	w.now = w.now.Add(24 * time.Hour)
	later("signatures are wrong", func() { w.g.Resolver.Servers = resolver; w.zone.Break(true) }, "")
	w.now = w.now.Add(24 * time.Hour)
	later("the resolver does not validate", func() { w.zone.Break(false); w.g.Validates = false }, "")
	w.now = w.now.Add(24 * time.Hour)
	later("the records are gone, as is proved", func() { w.g.Validates = true; w.zone.Remove("_25._tcp.mx.a.test.", dns.TypeTLSA) }, policy.TLSAWithdrawn)
}

// TestManyServers: a thousand MX records are bounded, and one server that fails, or has
// no address, keeps a domain from nothing.
func TestManyServers(t *testing.T) {
	w := newWorld(t)
	w.answer = http.NotFound
	w.serve("127.0.0.11", "trusted")
	w.serve("127.0.0.16", "stripped")
	tlsa, err := w.ids.TLSA(sink.Good)
	if err != nil {
		t.Fatal(err)
	}
	w.zone.Set("a.test. 300 IN MX 10 mx.a.test.", "a.test. 300 IN MX 20 bad.a.test.", "a.test. 300 IN MX 30 none.a.test.", "bad.a.test. 300 IN A 127.0.0.16", "none.a.test. 300 IN AAAA 2001:db8::1",
		"_25._tcp.mx.a.test. 300 IN TLSA "+tlsa, "_25._tcp.bad.a.test. 300 IN TLSA "+tlsa, "_25._tcp.none.a.test. 300 IN TLSA "+tlsa)
	e := w.gather()
	entry := policy.Supported(e, soon, w.now)
	if entry.Level != "dane-only" {
		t.Fatalf("%+v", e)
	}
	w.now = w.now.Add(25 * time.Hour)
	if d := policy.Decide(w.gather(), entry, nil, nil, soon, w.now); d.Change != nil {
		t.Errorf("%+v", d.Change)
	}
	if s := w.st.Servers["none.a.test"]; s.Unreached == 0 || len(s.Sessions) != 0 {
		t.Errorf("%+v", s)
	}
	many := host.Answer{RCode: "NOERROR", AD: true}
	for i := range 1000 {
		many.Records = append(many.Records, fmt.Sprintf("%d m%d.a.test.", 1000-i, i))
	}
	fake := &host.Fake{DNS: map[string]host.Answer{"a.test MX": many}}
	w.g.Machine, w.g.Resolver.Machine = fake, fake
	w.now = w.now.Add(25 * time.Hour)
	if e := w.gather(); len(e.Domain.MX) != 10 || e.Domain.MX[0] != "m999.a.test" {
		t.Errorf("%q", e.Domain.MX)
	}
}
