package acme_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"postseal/certs"
	"postseal/certs/acme"
	"postseal/internal/lab/pebble"
)

// TestMain names a file that is not there: the library panics over it, if it is let.
func TestMain(m *testing.M) {
	if err := os.Setenv("LEGO_CA_CERTIFICATES", "/nowhere.pem"); err != nil {
		panic(err)
	}
	// Tests wait for the library's polls more than they compute.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// registered is a client with a registered account.
func registered(t testing.TB, p *pebble.Server) (*acme.Client, *acme.Account) {
	t.Helper()
	c, a := stranger(t, p)
	if err := c.Register(context.Background(), true, nil); err != nil {
		t.Fatal(err)
	}
	return c, a
}

// stranger is a client whose account is not registered.
func stranger(t testing.TB, p *pebble.Server) (*acme.Client, *acme.Account) {
	t.Helper()
	a, err := acme.NewAccount(p.Directory, "postmaster@mx.test")
	if err != nil {
		t.Fatal(err)
	}
	c, err := acme.New(acme.Options{Directory: p.Directory, Roots: p.Roots, Account: a, Poll: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, a
}

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

// secret reports whether text holds the private key of a chain.
func secret(t *testing.T, c certs.Chain, text string) bool {
	t.Helper()
	b, err := c.PEM()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	return strings.Contains(text, "PRIVATE") || strings.Contains(text, base64.StdEncoding.EncodeToString(block.Bytes)[:60])
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
