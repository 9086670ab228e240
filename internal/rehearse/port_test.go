package rehearse

import (
	"net"
	"testing"
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
