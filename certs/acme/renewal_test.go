package acme_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postseal/certs"
	"postseal/certs/acme"
	"postseal/internal/hint"
	"postseal/internal/lab/pebble"
)

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
	again := obtain(client, acme.Order{Key: key, Replaces: first.Leaf()}) // replaced already
	stranger, _ := registered(t, p)
	third := obtain(stranger, acme.Order{Key: key, Replaces: second.Leaf()}) // of another account
	if first.Renewal || !second.Renewal || again.Renewal || third.Renewal {
		t.Errorf("taken for renewals: %v, %v, %v, %v; want the second alone", first.Renewal, second.Renewal, again.Renewal, third.Renewal)
	}

	in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	window := func(start, end string) string {
		return `{"suggestedWindow":{"start":"` + start + `","end":"` + end + `"}}`
	}
	for name, answer := range map[string]string{
		"garbage": "<html>", "nothing": "{}", "no end": `{"suggestedWindow":{"start":"` + in(time.Hour) + `"}}`,
		"inverted": window(in(2*time.Hour), in(time.Hour)), "no time": window(in(time.Hour), in(time.Hour)),
		"long ago": window("1970-01-02T00:00:00Z", "1970-01-03T00:00:00Z"), "after its end": window(in(time.Hour), "2099-01-02T00:00:00Z"),
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
	// An error is no answer, whatever its body says.
	liar := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, window(in(time.Hour), in(2*time.Hour)))
	}))
	defer liar.Close()
	p.Roots.AddCert(liar.Certificate())
	if _, err := client.RenewalInfo(ctx, acme.Meta{RenewalInfo: liar.URL}, second.Leaf()); !errors.Is(err, acme.ErrNoRenewalInfo) || !strings.Contains(err.Error(), "500") {
		t.Errorf("an answer of 500: %v", err)
	}
	if at := (acme.Window{}).Moment(); !at.IsZero() {
		t.Errorf("a moment of no window: %v", at)
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

// TestReplacesOnce: a renewal whose names cannot be proved is ordered once.
// Each further try would cost one of five failures an hour.
func TestReplacesOnce(t *testing.T) {
	t.Parallel()
	var orders atomic.Int32
	p := pebble.New(t, pebble.Options{Wrap: func(_ *pebble.Server, h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/order-plz" {
				orders.Add(1)
			}
			h.ServeHTTP(w, r)
		})
	}})
	client, _ := registered(t, p)
	got, err := client.Obtain(context.Background(), acme.Order{Names: names(), Key: newKey(t)}, acme.HTTP{Addr: p.HTTPAddr}, nil)
	if err != nil {
		t.Fatal(err)
	}
	orders.Store(0)
	l, err := net.Listen("tcp", p.HTTPAddr)
	if err != nil {
		t.Fatal(err)
	}
	wrong := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "wrong") })}
	go func() { _ = wrong.Serve(l) }()
	defer wrong.Close()
	_, err = client.Obtain(context.Background(), acme.Order{Names: names(), Key: newKey(t), Replaces: got.Leaf()}, acme.Webroot{Dir: t.TempDir()}, nil)
	if n := orders.Load(); n != 1 || err == nil || !strings.Contains(hint.Of(err), "a different answer") {
		t.Errorf("%d orders: %v (%s)", n, err, hint.Of(err))
	}
}
