package acme_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/miekg/dns"

	"postseal/certs"
	"postseal/certs/acme"
	"postseal/internal/hint"
	"postseal/internal/lab/pebble"
)

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	k, err := acme.NewKey("P256")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func names() []string { return []string{"mx.test"} }

// heard keeps events.
type heard struct {
	mu  sync.Mutex
	all []acme.Event
}

func (h *heard) tell(e acme.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, e)
}

func (h *heard) has(p acme.Phase) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.all {
		if e.Phase == p {
			return true
		}
	}
	return false
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return fmt.Sprintf("%+v", h.all)
}

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
						p.DNS.Add(fmt.Sprintf("%s 1 IN TXT %q", w[2], w[3]))
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
	if b, err := os.ReadFile(called); err != nil || !strings.Contains(string(b), "cleanup -- _acme-challenge.mx.test.") {
		t.Errorf("the program heard %q, %v", b, err)
	}
}

// secret says whether text holds the private key of a chain.
func secret(t *testing.T, c certs.Chain, text string) bool {
	t.Helper()
	b, err := c.PEM()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	return strings.Contains(text, "PRIVATE") || strings.Contains(text, base64.StdEncoding.EncodeToString(block.Bytes)[:60])
}

// TestAccount: an account is stored and found again, by its data or by its key
// alone; nothing that prints it shows the key.
func TestAccount(t *testing.T) {
	t.Parallel()
	p := pebble.New(t, pebble.Options{})
	c, a := stranger(t, p)
	if err := c.Register(context.Background(), false, nil); err == nil || hint.Of(err) == "" {
		t.Errorf("terms not accepted: %v", err)
	}
	if err := c.Register(context.Background(), true, nil); err != nil {
		t.Fatal(err)
	}
	key, err := a.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(key)
	shown := fmt.Sprintf("%v %+v %#v %s %v %+v %#v %s", a, a, a, a, *a, *a, *a, data)
	for _, part := range []string{"PRIVATE", base64.StdEncoding.EncodeToString(block.Bytes)[20:60], "ecdsa.PrivateKey", "D:"} {
		if strings.Contains(shown, part) {
			t.Errorf("%q is shown in %s", part, shown)
		}
	}
	for name, stored := range map[string][]byte{"with data": data, "by key alone": nil} {
		b, err := acme.LoadAccount(key, stored)
		if err != nil {
			t.Fatal(err)
		}
		c, err := acme.New(acme.Options{Directory: p.Directory, Roots: p.Roots, Account: b})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Register(context.Background(), true, nil); err != nil || b.URL != a.URL {
			t.Errorf("%s: %v, %s is not %s", name, err, b.URL, a.URL)
		}
	}
	for name, bad := range map[string][]byte{"nothing": nil, "garbage": []byte("x"), "another block": []byte("-----BEGIN X-----\nAAAA\n-----END X-----\n")} {
		if _, err := acme.LoadAccount(bad, nil); err == nil {
			t.Errorf("%s was taken for a key", name)
		}
	}
}

// TestEAB: a CA that wants an account of its own says so, and takes the right one.
func TestEAB(t *testing.T) {
	t.Parallel()
	mac := base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	p := pebble.New(t, pebble.Options{EAB: map[string]string{"kid-1": mac}})
	for _, c := range []struct {
		name string
		eab  *acme.EAB
		ok   bool
		says string
	}{
		{"none", nil, false, "externalAccountRequired"},
		{"wrong key", &acme.EAB{KID: "kid-1", HMAC: base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{8}, 32))}, false, ""},
		{"wrong ID", &acme.EAB{KID: "kid-2", HMAC: mac}, false, ""},
		{"not base64url", &acme.EAB{KID: "kid-1", HMAC: "a b"}, false, "base64url"},
		{"right", &acme.EAB{KID: "kid-1", HMAC: mac}, true, ""},
		{"right, with padding and a newline", &acme.EAB{KID: "kid-1", HMAC: mac + "=\n"}, true, ""},
	} {
		client, _ := stranger(t, p)
		err := client.Register(context.Background(), true, c.eab)
		if (err == nil) != c.ok || err != nil && (!strings.Contains(err.Error(), c.says) || hint.Of(err) == "" && c.says != "") {
			t.Errorf("%s: %v (%s)", c.name, err, hint.Of(err))
		}
		if err != nil && c.eab != nil && strings.Contains(err.Error(), c.eab.HMAC) {
			t.Errorf("%s: the secret is in %v", c.name, err)
		}
	}
	client, _ := stranger(t, p)
	if m, err := client.Meta(context.Background()); err != nil || !m.EAB || m.Terms == "" || m.RenewalInfo == "" || len(m.CAA) != 1 {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestProfiles: a profile decides over the life of a certificate; an unknown
// one is refused with the way to see them.
func TestProfiles(t *testing.T) {
	t.Parallel()
	p := pebble.New(t, pebble.Options{Profiles: map[string]ca.Profile{
		"classic": {Description: "c", ValidityPeriod: 90 * 86400}, "shortlived": {Description: "s", ValidityPeriod: 160 * 3600},
	}})
	client, _ := registered(t, p)
	m, err := client.Meta(context.Background())
	if err != nil || m.Profiles["shortlived"] != "s" {
		t.Fatalf("%+v, %v", m, err)
	}
	got, err := client.Obtain(context.Background(), acme.Order{Names: names(), Key: newKey(t), Profile: "shortlived"}, acme.HTTP{Addr: p.HTTPAddr}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if life := got.Leaf().NotAfter.Sub(got.Leaf().NotBefore); life > 161*time.Hour {
		t.Errorf("it lives %v", life)
	}
	_, err = client.Obtain(context.Background(), acme.Order{Names: names(), Key: newKey(t), Profile: "tlsclient"}, acme.HTTP{Addr: p.HTTPAddr}, nil)
	var problem *acme.Problem
	if !errors.As(err, &problem) || problem.Type != "invalidProfile" || !strings.Contains(hint.Of(err), "--list-profiles") {
		t.Errorf("%v (%s)", err, hint.Of(err))
	}
}

// TestNonces: a CA that refuses every third nonce is put up with.
func TestNonces(t *testing.T) {
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "30")
	p := pebble.New(t, pebble.Options{})
	client, _ := registered(t, p)
	if _, err := client.Obtain(context.Background(), acme.Order{Names: names(), Key: newKey(t)}, acme.HTTP{Addr: p.HTTPAddr}, nil); err != nil {
		t.Error(err)
	}
}

// setRenewalInfo makes Pebble answer this for a certificate.
func setRenewalInfo(t *testing.T, p *pebble.Server, c certs.Chain, answer string) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"Certificate": c.CertificatesPEM(), "ARIResponse": answer})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := p.Manage.Post(p.Management+"/set-renewal-info/", "application/json", bytes.NewReader(body))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", resp, err)
	}
	_ = resp.Body.Close()
}

// TestRenewal: the CA's window is used if it makes sense, and never taken for
// "at once" if it does not; a renewal keeps the key and tells what it replaces;
// and a certificate that cannot be replaced is no obstacle.
func TestRenewal(t *testing.T) {
	t.Parallel()
	p := pebble.New(t, pebble.Options{})
	client, _ := registered(t, p)
	ctx := context.Background()
	m, err := client.Meta(ctx)
	if err != nil {
		t.Fatal(err)
	}
	key := newKey(t)
	obtain := func(c *acme.Client, o acme.Order) acme.Issued {
		t.Helper()
		o.Names = names()
		got, err := c.Obtain(ctx, o, acme.HTTP{Addr: p.HTTPAddr}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := obtain(client, acme.Order{Key: key})
	w, err := client.RenewalInfo(ctx, m, first.Leaf())
	if err != nil || !w.Start.After(time.Now()) {
		t.Fatalf("%+v, %v", w, err)
	}
	if at := w.Moment(); at.Before(w.Start) || !at.Before(w.End) {
		t.Errorf("%v is not between %v and %v", at, w.Start, w.End)
	}
	second := obtain(client, acme.Order{Key: key, Replaces: first.Leaf()})
	if a, b := certs.NewTLSA(first.Leaf()), certs.NewTLSA(second.Leaf()); a.String() != b.String() {
		t.Errorf("TLSA %s became %s", a, b)
	}
	obtain(client, acme.Order{Key: key, Replaces: first.Leaf()}) // replaced already
	stranger, _ := registered(t, p)
	obtain(stranger, acme.Order{Key: key, Replaces: second.Leaf()}) // of another account

	for name, answer := range map[string]string{
		"garbage": "<html>", "nothing": "{}", "inverted": `{"suggestedWindow":{"start":"2030-01-02T00:00:00Z","end":"2030-01-01T00:00:00Z"}}`,
		"no end": `{"suggestedWindow":{"start":"2030-01-02T00:00:00Z"}}`, "long ago": `{"suggestedWindow":{"start":"1970-01-02T00:00:00Z","end":"1970-01-03T00:00:00Z"}}`,
	} {
		setRenewalInfo(t, p, second.Chain, answer)
		if w, err := client.RenewalInfo(ctx, m, second.Leaf()); !errors.Is(err, acme.ErrNoRenewalInfo) {
			t.Errorf("%s: %+v, %v", name, w, err)
		}
	}
	setRenewalInfo(t, p, second.Chain, `{"suggestedWindow":{"start":"`+time.Now().Add(-time.Hour).Format(time.RFC3339)+`","end":"`+time.Now().Add(time.Hour).Format(time.RFC3339)+`"},"explanationURL":"https://why.test/"}`)
	if w, err := client.RenewalInfo(ctx, m, second.Leaf()); err != nil || w.Explanation != "https://why.test/" || w.RetryAfter < time.Minute {
		t.Errorf("%+v, %v", w, err)
	}
	unknown := *second.Leaf()
	unknown.AuthorityKeyId, unknown.SerialNumber = []byte{1, 2, 3, 4}, big.NewInt(99)
	if _, err := client.RenewalInfo(ctx, m, &unknown); !errors.Is(err, acme.ErrNoRenewalInfo) {
		t.Errorf("a certificate that the CA does not know: %v", err)
	}
	if _, err := client.RenewalInfo(ctx, acme.Meta{}, second.Leaf()); !errors.Is(err, acme.ErrNoRenewalInfo) {
		t.Errorf("a CA without the service: %v", err)
	}
	if err := client.Revoke(ctx, second.Chain, 4); err != nil {
		t.Error(err)
	}
	resp, err := p.Manage.Get(p.Management + "/cert-status-by-serial/" + second.Leaf().SerialNumber.Text(16))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var status struct{ Status string }
	if err := json.NewDecoder(resp.Body).Decode(&status); err != nil || status.Status != "Revoked" {
		t.Errorf("%+v, %v", status, err)
	}
}

// TestRefusals: what goes wrong on our side or at the CA is said in words, with
// what to do.
func TestRefusals(t *testing.T) {
	t.Parallel()
	p := pebble.New(t, pebble.Options{})
	client, _ := registered(t, p)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	wrongTSIG := acme.RFC2136{Server: p.DNS.Addr, Key: "postseal", Secret: "d3Jvbmc=", Zone: "mx.test"}
	nowhere, _ := pebble.FreeAddr(t)
	for _, c := range []struct {
		name, says, hint string
		names            []string
		solver           acme.Solver
	}{
		{"port in use", "address already in use", "ss -ltnp", names(), acme.HTTP{Addr: busy.Addr().String()}},
		{"nobody answers", "connection", "port 80", names(), acme.HTTP{Addr: nowhere}},
		{"name unknown", "", "", []string{"gone.test"}, acme.HTTP{Addr: p.HTTPAddr}},
		{"no web root", "is not a folder", "--webroot", names(), acme.Webroot{Dir: "/nowhere"}},
		{"no resolver", "no resolver", "", names(), acme.DNS{Provider: wrongTSIG}},
		{"wrong TSIG key", "updating mx.test.", "TSIG", names(), acme.DNS{Provider: wrongTSIG, Resolvers: []string{p.DNS.Addr}}},
		{"program fails", "exit status 1", "", names(), acme.DNS{Provider: acme.Exec{Program: "false"}, Resolvers: []string{p.DNS.Addr}}},
		{"refused name", "", "", []string{"bad name"}, acme.HTTP{Addr: p.HTTPAddr}},
	} {
		t.Run(c.name, func(t *testing.T) {
			events := &heard{}
			_, err := client.Obtain(context.Background(), acme.Order{Names: c.names, Key: newKey(t)}, c.solver, events.tell)
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(hint.Of(err), c.hint) {
				t.Errorf("%v (%s)", err, hint.Of(err))
			}
			if !events.has(acme.Finished) {
				t.Errorf("events %v", events)
			}
		})
	}
}

// strange is an ACME server that answers one path in its own way.
func strange(path string, answer http.HandlerFunc) func(*pebble.Server, http.Handler) http.Handler {
	return func(_ *pebble.Server, h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, path) {
				answer(w, r)
				return
			}
			h.ServeHTTP(w, r)
		})
	}
}

// TestStrangeCA: a CA that fails, limits, talks HTML or never ends is survived
// in bounded time, with an error that says so.
func TestStrangeCA(t *testing.T) {
	t.Parallel()
	limited := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "120")
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, `{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many certificates"}`)
	}
	html := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>\x1b[2J") }
	for _, c := range []struct {
		name, path, says, hint string
		answer                 http.HandlerFunc
	}{
		{"fails at the order", "/order-plz", "500", "", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }},
		{"limits the rate", "/order-plz", "too many certificates", "wait 2m", limited},
		{"HTML for an order", "/order-plz", "", "", html},
		{"HTML for a certificate", "/certZ/", "", "", html},
		{"endless certificate", "/certZ/", "longer than", "", func(w http.ResponseWriter, _ *http.Request) {
			for range 3 << 20 / 1024 {
				if _, err := w.Write(bytes.Repeat([]byte("A"), 1024)); err != nil {
					return
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := pebble.New(t, pebble.Options{Wrap: strange(c.path, c.answer)})
			client, _ := registered(t, p)
			start := time.Now()
			_, err := client.Obtain(context.Background(), acme.Order{Names: names(), Key: newKey(t)}, acme.HTTP{Addr: p.HTTPAddr}, nil)
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(hint.Of(err), c.hint) || time.Since(start) > 20*time.Second {
				t.Errorf("after %v: %v (%s)", time.Since(start), err, hint.Of(err))
			}
		})
	}
	t.Run("no directory", func(t *testing.T) {
		for name, h := range map[string]http.HandlerFunc{"HTML": html, "JSON of something else": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") }} {
			p := pebble.New(t, pebble.Options{Wrap: strange("/dir", h)})
			client, _ := stranger(t, p)
			if _, err := client.Meta(context.Background()); err == nil {
				t.Errorf("%s was taken for a directory", name)
			}
			if err := client.Register(context.Background(), true, nil); err == nil {
				t.Errorf("%s: registered", name)
			}
		}
	})
	t.Run("not trusted", func(t *testing.T) {
		p := pebble.New(t, pebble.Options{})
		a, err := acme.NewAccount(p.Directory, "")
		if err != nil {
			t.Fatal(err)
		}
		c, err := acme.New(acme.Options{Directory: p.Directory, Roots: x509.NewCertPool(), Account: a})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Register(context.Background(), true, nil); err == nil || !strings.Contains(hint.Of(err), "--acme-ca-file") {
			t.Errorf("%v (%s)", err, hint.Of(err))
		}
	})
}

// resign lets Pebble's certificates be signed anew, as change says.
func resign(change func(leaf *x509.Certificate)) func(*pebble.Server, http.Handler) http.Handler {
	return func(p *pebble.Server, h http.Handler) http.Handler {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		root := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "private test CA"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: p.CA.GetIntermediateCert(0).Cert.SubjectKeyId,
		}
		rootDER, err := x509.CreateCertificate(rand.Reader, root, root, key.Public(), key)
		if err != nil {
			panic(err)
		}
		parsed, err := x509.ParseCertificate(rootDER)
		if err != nil {
			panic(err)
		}
		p.Issuers.AddCert(parsed)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.URL.Path, "/certZ/") {
				h.ServeHTTP(w, r)
				return
			}
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			body := rec.Body.Bytes()
			if block, _ := pem.Decode(body); rec.Code == http.StatusOK && block != nil {
				leaf, err := x509.ParseCertificate(block.Bytes)
				if err != nil {
					panic(err)
				}
				leaf.Extensions, leaf.ExtraExtensions, leaf.SignatureAlgorithm = nil, nil, 0
				change(leaf)
				der, err := x509.CreateCertificate(rand.Reader, leaf, parsed, leaf.PublicKey, key)
				if err != nil {
					panic(err)
				}
				body = append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER})...)
			}
			for k, v := range rec.Header() {
				w.Header()[k] = v
			}
			w.WriteHeader(rec.Code)
			_, _ = w.Write(body)
		})
	}
}

// TestBothUses: where a CA gives it, one leaf is good for both directions, by
// two separate verifications.
func TestBothUses(t *testing.T) {
	t.Parallel()
	p := pebble.New(t, pebble.Options{Wrap: resign(func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	})})
	client, _ := registered(t, p)
	got, err := client.Obtain(context.Background(), acme.Order{Names: names(), Key: newKey(t), BothUses: true}, acme.HTTP{Addr: p.HTTPAddr}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		if _, err := got.Leaf().Verify(x509.VerifyOptions{Roots: p.Issuers, KeyUsages: []x509.ExtKeyUsage{use}}); err != nil {
			t.Errorf("use %v: %v", use, err)
		}
	}
	if f := got.Facts(nil); !f.ServerUse || !f.ClientUse {
		t.Errorf("%+v", f)
	}
}

// TestAnother: a certificate that is not what was ordered is not taken.
func TestAnother(t *testing.T) {
	t.Parallel()
	other := newKey(t)
	for name, change := range map[string]func(*x509.Certificate){
		"key":  func(c *x509.Certificate) { c.PublicKey = other.Public() },
		"name": func(c *x509.Certificate) { c.DNSNames = []string{"other.test"} },
	} {
		p := pebble.New(t, pebble.Options{Wrap: resign(change)})
		client, _ := registered(t, p)
		got, err := client.Obtain(context.Background(), acme.Order{Names: names(), Key: newKey(t)}, acme.HTTP{Addr: p.HTTPAddr}, nil)
		if err == nil || got.Key != nil || !strings.Contains(err.Error(), "another certificate") {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

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
			// The port is free again.
			l, err := net.Listen("tcp", p.HTTPAddr)
			if err != nil {
				t.Error(err)
			} else {
				_ = l.Close()
			}
		})
	}
}

// TestKnown: the list that is built in can be read; names, addresses and
// mistakes are told apart.
func TestKnown(t *testing.T) {
	all := acme.Known()
	for _, c := range []struct {
		name    string
		staging bool
		want    string
		says    string
	}{
		{"letsencrypt", false, "https://acme-v02.api.letsencrypt.org/directory", ""},
		{"letsencrypt", true, "https://acme-staging-v02.api.letsencrypt.org/directory", ""},
		{"https://acme-v02.api.letsencrypt.org/directory", false, "https://acme-v02.api.letsencrypt.org/directory", ""},
		{"https://ca.example.org/acme/directory", false, "https://ca.example.org/acme/directory", ""},
		{"https://ca.example.org/acme/directory", true, "", "not known"},
		{"http://ca.example.org/", false, "", "no CA is known as"},
		{"letsencript", false, "", "no CA is known as"},
		{"zerossl", true, "", "no staging"},
		{"step-ca", false, "", "no address"},
		{"", false, "", "no CA is known as"},
	} {
		got, err := all.Find(c.name, c.staging)
		if got.Directory != c.want || (err == nil) != (c.want != "") || err != nil && (!strings.Contains(err.Error(), c.says) || hint.Of(err) == "") {
			t.Errorf("%q: %q, %v", c.name, got.Directory, err)
		}
	}
	both := 0
	for _, x := range all.List {
		if x.Source == "" || x.Note == "" || x.Title == "" {
			t.Errorf("%s lacks its source", x.Name)
		}
		if x.Both(time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)) && x.Directory != "" {
			both++
		}
		if x.Directory != "" && x.Both(time.Date(2027, 3, 2, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%s has no end", x.Name)
		}
	}
	if both != 1 {
		t.Errorf("%d public CAs give both uses", both)
	}
	for name, text := range map[string]string{"no JSON": "x", "no date": `{"cas":[]}`, "unknown word": `{"as_of":"2026-01-01","cas":[{"nam":"x"}]}`, "http": `{"as_of":"2026-01-01","cas":[{"name":"x","uses":"both","directory":"http://x"}]}`} {
		if _, err := acme.ReadCAs([]byte(text)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
