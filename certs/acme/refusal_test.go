package acme_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"postseal/certs/acme"
	"postseal/internal/hint"
	"postseal/internal/lab/pebble"
)

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
		{"two names", "mail.mx.test", "port 80", []string{"mx.test", "mail.mx.test"}, acme.HTTP{Addr: nowhere}},
		{"name unknown", "refuses gone.test (connection)", "", []string{"gone.test"}, acme.HTTP{Addr: p.HTTPAddr}},
		{"no web root", "is not a directory", "--webroot", names(), acme.Webroot{Dir: "/nowhere"}},
		{"no resolver", "no resolver", "", names(), acme.DNS{Provider: wrongTSIG}},
		{"wrong TSIG key", "updating mx.test.", "TSIG", names(), acme.DNS{Provider: wrongTSIG, Resolvers: []string{p.DNS.Addr}}},
		{"program fails", "present: exit status 3: no key", "", names(), acme.DNS{Provider: program(t, "echo no key; exit 3\n"), Resolvers: []string{p.DNS.Addr}}},
		{"program says too much", "exit status 1: y", "", names(), acme.DNS{Provider: program(t, "yes | head -c 20000000; exit 1\n"), Resolvers: []string{p.DNS.Addr}}},
		{"no such program", "no such file", "", names(), acme.DNS{Provider: acme.Exec{Program: "/nowhere"}, Resolvers: []string{p.DNS.Addr}}},
		{"record does not show", "after 300ms the record is not published yet", "every name server of the zone", names(), acme.DNS{Provider: program(t, ""), Resolvers: []string{p.DNS.Addr}, ResolversOnly: true, Timeout: 300 * time.Millisecond, Interval: 100 * time.Millisecond}},
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
	status := func(code int, after, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if after != "" {
				w.Header().Set("Retry-After", after)
			}
			w.WriteHeader(code)
			fmt.Fprint(w, body)
		}
	}
	const busy = `{"type":"urn:ietf:params:acme:error:rateLimited","detail":"Service busy; retry later"}`
	for _, c := range []struct {
		name, path, says, hint string
		answer                 http.HandlerFunc
	}{
		{"null for an authorisation", "/authZ/", "500", "has an internal error", status(500, "", "null")},
		{"null for an order", "/order-plz", "400", "", status(400, "", "null")},
		{"a proxy limits the rate", "/order-plz", "(rateLimited): it answers 429", "wait 1m30s", status(429, "90", "<html>slow down")},
		{"busy", "/order-plz", "Service busy", "wait 30s", status(503, "30", busy)},
		{"nothing for an order", "/order-plz", "answer is invalid", "", status(201, "", "")},
		{"a list for an order", "/order-plz", "answer is invalid", "", status(201, "", "[]")},
		{"more authorisations than names", "/order-plz", "", "", status(201, "", `{"status":"pending","finalize":"https://127.0.0.1:1/","identifiers":[],"authorizations":["https://127.0.0.1:1/"]}`)},
		{"refuses the download", "/certZ/", "(unauthorized): no", "for the account", status(403, "", `{"type":"urn:ietf:params:acme:error:unauthorized","detail":"no"}`)},
		{"refuses the request", "/finalize-order/", "(badCSR): weak", "--key-type", status(400, "", `{"type":"urn:ietf:params:acme:error:badCSR","detail":"weak"}`)},
		{"makes the order invalid", "/my-order/", "(caa): not us", "CAA record", status(200, "", `{"status":"invalid","finalize":"https://127.0.0.1:1/","error":{"type":"urn:ietf:params:acme:error:caa","detail":"not us"}}`)},
		{"fails at the order", "/order-plz", "500", "", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }},
		{"limits the rate", "/order-plz", "too many certificates", "wait 2m", limited},
		{"HTML for an order", "/order-plz", "answer is invalid", "try again later", html},
		{"HTML for a certificate", "/certZ/", "answer is invalid", "try again later", html},
		{"endless certificate", "/certZ/", "longer than", "", func(w http.ResponseWriter, _ *http.Request) {
			for range 3 << 20 / 1024 {
				if _, err := w.Write(bytes.Repeat([]byte("A"), 1024)); err != nil {
					return
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := pebble.New(t, pebble.Options{Wrap: strange(c.path, c.answer)})
			client, _ := registered(t, p)
			start := time.Now()
			_, err := client.Obtain(context.Background(), acme.Order{Names: names(), Key: newKey(t)}, acme.HTTP{Addr: p.HTTPAddr}, nil)
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(hint.Of(err), c.hint) || time.Since(start) > 20*time.Second {
				t.Errorf("after %v: %v (%s)", time.Since(start), err, hint.Of(err))
			}
		})
	}
	t.Run("types", func(t *testing.T) {
		p := pebble.New(t, pebble.Options{Wrap: strange("/order-plz", limited)})
		client, _ := registered(t, p)
		_, err := client.Obtain(context.Background(), acme.Order{Names: names(), Key: newKey(t)}, acme.HTTP{Addr: p.HTTPAddr}, nil)
		var problem *acme.Problem
		if !errors.As(err, &problem) || problem.Type != "rateLimited" || problem.RetryAfter != 2*time.Minute || problem.Status != http.StatusTooManyRequests {
			t.Errorf("%+v, %v", problem, err)
		}
		p = pebble.New(t, pebble.Options{})
		client, _ = registered(t, p)
		nowhere, _ := pebble.FreeAddr(t)
		_, err = client.Obtain(context.Background(), acme.Order{Names: []string{"mx.test", "mail.mx.test"}, Key: newKey(t)}, acme.HTTP{Addr: nowhere}, nil)
		var named []string
		for _, e := range hint.All(err) {
			if errors.As(e, &problem) && hint.Of(e) != "" {
				named = append(named, problem.Name)
			}
		}
		if strings.Join(named, " ") != "mail.mx.test mx.test" {
			t.Errorf("%q in %v", named, err)
		}
	})
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
