package acme_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"postseal/certs/acme"
	"postseal/internal/hint"
	"postseal/internal/lab/pebble"
)

// soa makes mx.test a zone.
const soa = "mx.test. 1 IN SOA ns.mx.test. h.mx.test. 1 1 1 1 1"

// updating proves by dynamic updates of Pebble's own DNS.
func updating(p *pebble.Server) acme.DNS {
	return acme.DNS{Provider: acme.RFC2136{Server: p.DNS.Addr, Key: "postseal", Secret: p.DNS.Key},
		Resolvers: []string{p.DNS.Addr}, ResolversOnly: true, Timeout: 10 * time.Second, Interval: 50 * time.Millisecond}
}

// program is a hook with this text.
func program(t *testing.T, text string) acme.Exec {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return acme.Exec{Program: path}
}

// hanging is a CA that does not answer on a path.
func hanging(t *testing.T, path string) pebble.Options {
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	return pebble.Options{Wrap: strange(path, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the server does not notice that the client has gone
		select {
		case <-stop:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler) // and not an empty answer, which may arrive while the client hangs up
		}
	})}
}

// TestHang: a CA that does not answer is given up, and named, without a cancel.
func TestHang(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/dir", "/order-plz", "/authZ/", "/certZ/"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			p := pebble.New(t, hanging(t, path))
			client, a := stranger(t, p)
			if path == "/dir" {
				a.URL = "https://ca.test/1"
			} else if err := client.Register(context.Background(), true, nil); err != nil {
				t.Fatal(err)
			}
			client.SetTimes(300*time.Millisecond, 2*time.Second)
			start := time.Now()
			_, err := client.Obtain(context.Background(), acme.Order{Names: names(), Key: newKey(t)}, acme.HTTP{Addr: p.HTTPAddr}, nil)
			if took := time.Since(start); !errors.Is(err, acme.ErrUnreachable) || !strings.Contains(err.Error(), "no answer within") || hint.Of(err) == "" || took > 10*time.Second {
				t.Errorf("after %v: %v (%s)", took, err, hint.Of(err))
			}
		})
	}
}

// TestCancelCalls: every call ends with its context.
func TestCancelCalls(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path string
		call func(context.Context, *acme.Client, acme.Issued) error
	}{
		"meta":     {"/dir", func(ctx context.Context, c *acme.Client, _ acme.Issued) error { _, err := c.Meta(ctx); return err }},
		"register": {"/sign-me-up", func(ctx context.Context, c *acme.Client, _ acme.Issued) error { return c.Register(ctx, true, nil) }},
		"revoke":   {"/revoke-cert", func(ctx context.Context, c *acme.Client, i acme.Issued) error { return c.Revoke(ctx, i.Chain, 0) }},
		"renewal": {"/draft-ietf-acme-ari", func(ctx context.Context, c *acme.Client, i acme.Issued) error {
			m, err := c.Meta(ctx)
			if err != nil {
				return err
			}
			_, err = c.RenewalInfo(ctx, m, i.Leaf())
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := hanging(t, c.path)
			inner := o.Wrap
			var on sync.Once
			hang := make(chan struct{})
			o.Wrap = func(p *pebble.Server, h http.Handler) http.Handler {
				broken := inner(p, h)
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					select {
					case <-hang:
						broken.ServeHTTP(w, r)
					default:
						h.ServeHTTP(w, r)
					}
				})
			}
			p := pebble.New(t, o)
			client, _ := stranger(t, p)
			var got acme.Issued
			if name == "revoke" || name == "renewal" {
				if err := client.Register(context.Background(), true, nil); err != nil {
					t.Fatal(err)
				}
				var err error
				if got, err = client.Obtain(context.Background(), acme.Order{Names: names(), Key: newKey(t)}, acme.HTTP{Addr: p.HTTPAddr}, nil); err != nil {
					t.Fatal(err)
				}
			}
			on.Do(func() { close(hang) })
			ctx, cancel := context.WithCancel(context.Background())
			defer time.AfterFunc(200*time.Millisecond, cancel).Stop()
			start := time.Now()
			if err := c.call(ctx, client, got); !errors.Is(err, context.Canceled) || time.Since(start) > 4*time.Second {
				t.Errorf("after %v: %v", time.Since(start), err)
			}
		})
	}
}

// TestCancelMany: a run that is cancelled while the authorisations of many
// names are fetched ends, and the next one that proves by DNS gets its turn.
func TestCancelMany(t *testing.T) {
	t.Parallel()
	p := pebble.New(t, pebble.Options{})
	p.DNS.Add(soa)
	client, _ := registered(t, p)
	var many []string
	for i := range 12 {
		many = append(many, fmt.Sprintf("n%d.mx.test", i))
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var once sync.Once
	var at time.Time
	_, err := client.Obtain(ctx, acme.Order{Names: many, Key: newKey(t)}, updating(p), func(e acme.Event) {
		if e.Phase == acme.Authorizing {
			once.Do(func() { at = time.Now(); cancel() })
		}
	})
	if took := time.Since(at); !errors.Is(err, context.Canceled) || took > 4*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := client.Obtain(ctx, acme.Order{Names: names(), Key: newKey(t)}, updating(p), nil); err != nil {
		t.Errorf("after a cancelled run: %v", err)
	}
}

// TestCancelCleanUp: a hook that hangs while it cleans up is ended with what it
// started; what stays is said, in the error and as an event, and nothing is
// told after Obtain has returned.
func TestCancelCleanUp(t *testing.T) {
	t.Parallel()
	p := pebble.New(t, pebble.Options{})
	p.DNS.Add(soa)
	client, _ := registered(t, p)
	d := updating(p)
	d.Interval = 5 * time.Second // the library sleeps so long, and knows no context
	alive := filepath.Join(t.TempDir(), "alive")
	d.Provider = program(t, "[ $1 = cleanup ] || exit 0\n(sleep 4; echo >"+alive+") &\nwait\n")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	events := &heard{}
	var once sync.Once
	var at time.Time
	_, err := client.Obtain(ctx, acme.Order{Names: names(), Key: newKey(t)}, d, func(e acme.Event) {
		events.tell(e)
		if e.Phase == acme.Validating {
			once.Do(func() { at = time.Now(); cancel() })
		}
	})
	if took := time.Since(at); took > 4*time.Second || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "could not be removed") || hint.Of(err) == "" {
		t.Errorf("took %v: %v (%s)", took, err, hint.Of(err))
	}
	told := events.String()
	if !strings.Contains(told, "removing _acme-challenge.mx.test") {
		t.Errorf("events %s", told)
	}
	time.Sleep(2500 * time.Millisecond)
	if _, err := os.Stat(alive); err == nil {
		t.Error("what the program started lives on")
	}
	if events.String() != told {
		t.Errorf("told after the end: %s", events)
	}
}

// deaf is a provider that knows no context.
type deaf struct {
	presented, removed chan struct{}
	wait               time.Duration
}

func (d deaf) Present(context.Context, string, string) error {
	close(d.presented)
	time.Sleep(d.wait)
	return nil
}

func (d deaf) CleanUp(context.Context, string, string) error { close(d.removed); return nil }

// TestCancelDeaf: a provider that goes on after the end holds nothing up, what
// it then puts in place is taken away, and nothing is told of it.
func TestCancelDeaf(t *testing.T) {
	t.Parallel()
	p := pebble.New(t, pebble.Options{})
	client, _ := registered(t, p)
	d := updating(p)
	slow := deaf{make(chan struct{}), make(chan struct{}), 4 * time.Second}
	d.Provider = slow
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var at time.Time
	go func() { <-slow.presented; at = time.Now(); cancel() }()
	events := &heard{}
	_, err := client.Obtain(ctx, acme.Order{Names: names(), Key: newKey(t)}, d, events.tell)
	if took := time.Since(at); !errors.Is(err, context.Canceled) || took > 4*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
	told := events.String()
	select {
	case <-slow.removed:
	case <-time.After(5 * time.Second):
		t.Error("what came late was left in place")
	}
	time.Sleep(100 * time.Millisecond)
	if events.String() != told {
		t.Errorf("told after the end: %s", events)
	}
}
