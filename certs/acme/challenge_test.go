package acme_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"postseal/certs"
	"postseal/certs/acme"
	"postseal/internal/lab/pebble"
)

// TestChallenges: a certificate comes by each kind of challenge, is for our
// key and names, verifies, and nothing is left behind.
func TestChallenges(t *testing.T) {
	t.Parallel()
	p := pebble.New(t, pebble.Options{Depth: 2})
	p.DNS.Add("mx.test. 1 IN SOA ns.mx.test. h.mx.test. 1 1 1 1 1", "mx.test. 1 IN NS ns.mx.test.",
		"_acme-challenge.alias.test. 1 IN CNAME x.mx.test.")
	root := t.TempDir()
	script := filepath.Join(t.TempDir(), "hook")
	called := filepath.Join(t.TempDir(), "called")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$@\" >>"+called+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	rfc2136 := acme.RFC2136{Server: p.DNS.Addr, Key: "postseal", Secret: p.DNS.Key}
	byHand := make(chan struct{})
	inDNS := func(d acme.DNSProvider) acme.DNS {
		return acme.DNS{Provider: d, Resolvers: []string{p.DNS.Addr}, ResolversOnly: true, Timeout: 10 * time.Second, Interval: 50 * time.Millisecond}
	}
	for _, c := range []struct {
		name   string
		solver acme.Solver
		names  []string
		phase  acme.Phase
	}{
		{"http-01", acme.HTTP{Addr: p.HTTPAddr}, []string{"mx.test", "mail.mx.test"}, acme.Validating},
		{"web root", acme.Webroot{Dir: root}, names(), acme.Validating},
		{"tls-alpn-01", acme.TLSALPN{Addr: p.TLSAddr}, names(), acme.Validating},
		{"dns-01 by RFC 2136", inDNS(rfc2136), []string{"*.mx.test", "mx.test", "alias.test"}, acme.WaitingDNS},
		{"dns-01 by a program", inDNS(acme.Exec{Program: script}), names(), acme.WaitingDNS},
		{"dns-01 by hand", inDNS(&acme.Manual{Done: byHand}), names(), acme.Waiting},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, _ := registered(t, p)
			events := &heard{}
			tell := events.tell
			switch c.solver.(type) {
			case acme.Webroot:
				server := &http.Server{Handler: http.FileServer(http.Dir(root)), ReadHeaderTimeout: time.Second}
				l, err := net.Listen("tcp", p.HTTPAddr)
				if err != nil {
					t.Fatal(err)
				}
				go func() { _ = server.Serve(l) }()
				defer server.Close()
			case acme.DNS:
				// Program and hand get the record into the DNS in their own way.
				tell = func(e acme.Event) {
					events.tell(e)
					if e.Phase == acme.Waiting {
						p.DNS.Add(e.Text)
						go func() { byHand <- struct{}{} }()
					}
					if b, err := os.ReadFile(called); err == nil && e.Phase == acme.Presenting && strings.HasSuffix(c.name, "program") {
						w := strings.Fields(string(b))
						p.DNS.Add(fmt.Sprintf("%s 1 IN TXT %q", w[1], w[2]))
					}
				}
			}
			key := newKey(t)
			got, err := client.Obtain(context.Background(), acme.Order{Names: c.names, Key: key}, c.solver, tell)
			if err != nil {
				t.Fatalf("%v\n%v", err, events)
			}
			if !certs.Same(got.Key.Public(), key.Public()) || len(got.Certs) != 3 || got.URL == "" {
				t.Errorf("%d certificates, URL %q", len(got.Certs), got.URL)
			}
			pool := x509.NewCertPool()
			for _, i := range got.Certs[1:] {
				pool.AddCert(i)
			}
			if _, err := got.Leaf().Verify(x509.VerifyOptions{Roots: p.Issuers, Intermediates: pool}); err != nil {
				t.Error(err)
			}
			if !events.has(c.phase) || !events.has(acme.Finished) {
				t.Errorf("events %v", events)
			}
			if c.phase == acme.Waiting && !events.has(acme.Removing) {
				t.Error("nobody is told that the record can go")
			}
			if secret(t, got.Chain, events.String()) {
				t.Error("a key is among the events")
			}
		})
	}
	if left, err := os.ReadDir(root); err != nil || len(left) > 0 {
		t.Errorf("left in the web root: %v, %v", left, err)
	}
	if n := p.DNS.Count("_acme-challenge.mx.test.", dns.TypeTXT); n != 2 { // those of the program and the hand
		t.Errorf("%d TXT records are left", n)
	}
	if b, err := os.ReadFile(called); err != nil || !strings.Contains(string(b), "cleanup _acme-challenge.mx.test.") {
		t.Errorf("the program heard %q, %v", b, err)
	}
}
