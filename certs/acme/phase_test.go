package acme_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"postseal/certs/acme"
	"postseal/internal/lab/pebble"
)

// TestPhases: the phases come in their order, with times, the names in small
// letters and once; the log goes where it should, and holds no key.
func TestPhases(t *testing.T) {
	t.Parallel()
	p := pebble.New(t, pebble.Options{})
	_, a := registered(t, p)
	var log safeBuffer
	client, err := acme.New(acme.Options{Directory: p.Directory, Roots: p.Roots, Account: a, Poll: time.Second, Log: &log})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	events := &heard{}
	got, err := client.Obtain(context.Background(), acme.Order{Names: []string{"MX.Test.", "mx.test"}, Key: newKey(t)}, acme.HTTP{Addr: p.HTTPAddr}, events.tell)
	if err != nil {
		t.Fatal(err)
	}
	var phases []string
	var last time.Time
	for _, e := range events.all {
		phases = append(phases, string(e.Phase))
		if e.Time.Before(last) {
			t.Errorf("%+v is before %v", e, last)
		}
		last = e.Time
	}
	want := "account, order, authorisation, challenge, validation, validation, clean up, signing, download, done"
	if got := strings.Join(phases, ", "); got != want {
		t.Errorf("phases %s", got)
	}
	if n := got.Leaf().DNSNames; len(n) != 1 || n[0] != "mx.test" || got.Leaf().Subject.CommonName != "" {
		t.Errorf("names %q, common name %q", n, got.Leaf().Subject.CommonName)
	}
	if secret(t, got.Chain, log.String()) {
		t.Error("a key is in the log")
	}
}

// safeBuffer is a log that several runs may write to.
type safeBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
