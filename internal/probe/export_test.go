package probe

import (
	"context"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// Classes returns the names of the classes that In knows, in no order.
func Classes() []string { return slices.Collect(maps.Keys(classes)) }

// AtOnce is atOnce.
const AtOnce = atOnce

// NewHastyGate is a gate whose first pause is shorter than a second.
func NewHastyGate(unit time.Duration) *Gate {
	g := NewGate()
	g.unit = unit
	return g
}

// Serve is a server that does act with each connection, until the test ends.
func Serve(t *testing.T, act func(net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); act(c) }()
		}
	}()
	return l.Addr().String()
}

// Limit enumerates a server, and then says all the same hellos again without
// waiting for what is answered, so that the server always has four to answer:
// faster than that no enumeration by these handshakes can be.
func Limit(ctx context.Context, t Target, o Options) (ours, limit time.Duration, handshakes int, err error) {
	var mu sync.Mutex
	var hellos []hello
	o.asked = func(h hello) {
		mu.Lock()
		defer mu.Unlock()
		hellos = append(hellos, h)
	}
	e, err := Enumerate(ctx, t, o)
	if err != nil {
		return 0, 0, 0, err
	}
	whole := e.Handshakes - len(hellos) // those that are not ended after the first answer
	began := time.Now()
	work := make(chan func(), e.Handshakes)
	for range whole {
		work <- func() { _, _ = Handshake(ctx, t, o) }
	}
	again := &enumerator{target: t}
	for _, h := range hellos {
		work <- func() { _ = again.exchange(ctx, h, new(reply)) }
	}
	close(work)
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for f := range work {
				f()
			}
		})
	}
	wg.Wait()
	return e.Took, time.Since(began), e.Handshakes, nil
}
