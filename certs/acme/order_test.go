package acme_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"

	"postseal/certs/acme"
	"postseal/internal/hint"
	"postseal/internal/lab/pebble"
)

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

// TestBothUsesNotGiven: a CA that passes over the wish is no success.
func TestBothUsesNotGiven(t *testing.T) {
	t.Parallel()
	for name, uses := range map[string][]x509.ExtKeyUsage{
		"server": {x509.ExtKeyUsageServerAuth}, "client": {x509.ExtKeyUsageClientAuth}, "any": {x509.ExtKeyUsageAny},
	} {
		p := pebble.New(t, pebble.Options{Wrap: resign(func(c *x509.Certificate) { c.ExtKeyUsage = uses })})
		client, _ := registered(t, p)
		_, err := client.Obtain(context.Background(), acme.Order{Names: names(), Key: newKey(t), BothUses: true}, acme.HTTP{Addr: p.HTTPAddr}, nil)
		if err == nil || !strings.Contains(err.Error(), "asked for both uses") || !strings.Contains(hint.Of(err), "allow_role_ext_key_usage") {
			t.Errorf("%s alone: %v, hint %q", name, err, hint.Of(err))
		}
	}
}

// TestAnother: a certificate that is not what was ordered is not taken.
func TestAnother(t *testing.T) {
	t.Parallel()
	other := newKey(t)
	for name, change := range map[string]func(*x509.Certificate){
		"key":        func(c *x509.Certificate) { c.PublicKey = other.Public() },
		"name":       func(c *x509.Certificate) { c.DNSNames = []string{"other.test"} },
		"no name":    func(c *x509.Certificate) { c.DNSNames, c.Subject.CommonName = nil, "mx.test" },
		"more names": func(c *x509.Certificate) { c.DNSNames = append(c.DNSNames, "other.test") },
		"old": func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		},
		"chain": nil,
	} {
		wrap := resign(change)
		if change == nil { // an intermediate that has nothing to do with it
			wrap = strangerBehind(t)
		}
		p := pebble.New(t, pebble.Options{Wrap: wrap})
		client, _ := registered(t, p)
		got, err := client.Obtain(context.Background(), acme.Order{Names: names(), Key: newKey(t)}, acme.HTTP{Addr: p.HTTPAddr}, nil)
		if err == nil || got.Key != nil || !strings.Contains(err.Error(), "other than the one ordered") {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

// strangerBehind puts a stranger's certificate behind the chain.
func strangerBehind(t *testing.T) func(*pebble.Server, http.Handler) http.Handler {
	key := newKey(t)
	root := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "stranger"}, NotAfter: time.Now().AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, root, root, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return func(_ *pebble.Server, h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r)
			if strings.HasPrefix(r.URL.Path, "/certZ/") {
				_ = pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: der})
			}
		})
	}
}

// TestOrders: what cannot be ordered is said before the CA is asked.
func TestOrders(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	p := pebble.New(t, pebble.Options{Wrap: func(_ *pebble.Server, h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Add(1); h.ServeHTTP(w, r) })
	}})
	client, _ := registered(t, p)
	unknown, _ := stranger(t, p)
	asked.Store(0)
	_, old, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	listen := acme.HTTP{Addr: p.HTTPAddr}
	for name, c := range map[string]struct {
		client *acme.Client
		order  acme.Order
		solver acme.Solver
		says   string
	}{
		"no name":        {client, acme.Order{Key: newKey(t)}, listen, "needs names"},
		"a space":        {client, acme.Order{Names: []string{"a b.test"}, Key: newKey(t)}, listen, "not a host name"},
		"not ASCII":      {client, acme.Order{Names: []string{"m\u00fcx.test"}, Key: newKey(t)}, listen, "not a host name"},
		"an address":     {client, acme.Order{Names: []string{"192.0.2.1"}, Key: newKey(t)}, listen, "not a host name"},
		"no key":         {client, acme.Order{Names: names()}, listen, "needs a key"},
		"Ed25519":        {client, acme.Order{Names: names(), Key: old}, listen, "CAs do not sign a"},
		"no solver":      {client, acme.Order{Names: names(), Key: newKey(t)}, nil, "validate the names"},
		"not registered": {unknown, acme.Order{Names: names(), Key: newKey(t)}, listen, "not registered"},
	} {
		events := &heard{}
		if _, err := c.client.Obtain(context.Background(), c.order, c.solver, events.tell); err == nil || !strings.Contains(err.Error(), c.says) || !events.has(acme.Finished) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the CA was asked %d times", n)
	}
	a, err := acme.NewAccount("https://another.test/", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := acme.New(acme.Options{Directory: p.Directory, Account: a}); err == nil || hint.Of(err) == "" {
		t.Errorf("the account of another CA: %v", err)
	}
	for _, bad := range []acme.Options{{Directory: "http://ca.test/", Account: a}, {Directory: "https://ca.test/"}} {
		if _, err := acme.New(bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}
