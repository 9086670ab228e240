package acme_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"postseal/certs/acme"
	"postseal/internal/lab/pebble"
)

// TestCancel: in every phase it ends within four seconds, and takes away what
// was put in place.
func TestCancel(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	hang := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the server does not notice that the client has gone
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	}
	t.Cleanup(func() { close(stop) })
	for _, c := range []struct {
		name  string
		phase acme.Phase
		path  string // where the CA hangs
		dns   bool
		hand  bool
	}{
		{name: "order", phase: acme.Ordering, path: "/order-plz"},
		{name: "challenge", phase: acme.Validating, path: "/chalZ/"},
		{name: "authorisation", phase: acme.Ordering, path: "/authZ/"},
		{name: "signing", phase: acme.Ordering, path: "/finalize-order/"},
		{name: "download", phase: acme.Ordering, path: "/certZ/"},
		{name: "DNS", phase: acme.WaitingDNS, dns: true},
		{name: "hand", phase: acme.Waiting, dns: true, hand: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := pebble.Options{}
			if c.path != "" {
				o.Wrap = strange(c.path, hang)
			}
			p := pebble.New(t, o)
			client, _ := registered(t, p)
			var solver acme.Solver = acme.HTTP{Addr: p.HTTPAddr}
			if c.dns {
				p.DNS.Add("mx.test. 1 IN SOA ns.mx.test. h.mx.test. 1 1 1 1 1")
				// The record goes elsewhere, so that waiting for it never ends.
				elsewhere := pebble.NewDNS(t)
				elsewhere.Add("mx.test. 1 IN SOA ns.mx.test. h.mx.test. 1 1 1 1 1")
				d := acme.DNS{Provider: acme.RFC2136{Server: elsewhere.Addr, Key: "postseal", Secret: elsewhere.Key}, Resolvers: []string{p.DNS.Addr}, ResolversOnly: true, Interval: 100 * time.Millisecond}
				if c.hand {
					d.Provider = &acme.Manual{Done: make(chan struct{})}
				}
				solver = d
				t.Cleanup(func() {
					if n := elsewhere.Count("_acme-challenge.mx.test.", dns.TypeTXT); n != 0 {
						t.Errorf("%d records are left", n)
					}
				})
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var cancelled time.Time
			var once sync.Once
			tell := func(e acme.Event) {
				if e.Phase == c.phase {
					go once.Do(func() {
						time.Sleep(300 * time.Millisecond)
						cancelled = time.Now()
						cancel()
					})
				}
			}
			_, err := client.Obtain(ctx, acme.Order{Names: names(), Key: newKey(t)}, solver, tell)
			if took := time.Since(cancelled); !errors.Is(err, context.Canceled) || took > 4*time.Second {
				t.Errorf("after %v: %v", took, err)
			}
			// Nobody answers there any more.
			if c, err := net.Dial("tcp", p.HTTPAddr); err == nil {
				t.Error("the port is still open")
				_ = c.Close()
			}
		})
	}
}
