package rehearse

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"postseal/internal/hint"
)

// TestReserve: what is reserved is given to nobody else, and can be listened on.
func TestReserve(t *testing.T) {
	seen := map[string]bool{}
	for range 2000 {
		p, err := Reserve()
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if seen[p.Addr] {
			t.Fatalf("%s is given out twice", p.Addr)
		}
		seen[p.Addr] = true
	}
	for range 2000 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if seen[l.Addr().String()] {
			t.Fatalf("%s is given to another", l.Addr())
		}
	}
	for addr := range seen {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatalf("nobody can listen on what is reserved: %v", err)
		}
		l.Close()
	}
}

// TestNoLoopback: an address that this machine does not have, as IPv4 loopback on some,
// is told with what to do.
func TestNoLoopback(t *testing.T) {
	if p, err := reserve(netip.MustParseAddr("192.0.2.77")); err == nil || !strings.Contains(err.Error(), "192.0.2.77") || !strings.Contains(hint.Of(err), "--no-rehearsal") {
		t.Errorf("%v, %v; %s", p, err, hint.Of(err))
	}
}
