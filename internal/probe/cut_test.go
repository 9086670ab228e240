package probe_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postseal/internal/lab"
	"postseal/internal/probe"
)

// TestCut: something between us and the server cuts connections after the hello.
// What comes of that is asked again, or said to be missing; never is it taken for
// an answer of a server that has other words for a refusal.
func TestCut(t *testing.T) {
	ec, rs := pair(t)
	server := lab.Postfix(t, "smtpd_tls_security_level = may\nsmtpd_peername_lookup = no\nsmtpd_tls_chain_files = "+ec+","+rs+"\n", "%s inet n - n - - smtpd")
	straight, err := probe.Enumerate(context.Background(), probe.Target{Addr: server.Addrs[0]}, probe.Options{Quick: true})
	if err != nil || straight.Incomplete {
		t.Fatalf("%+v, %v", straight, err)
	}
	for _, c := range []struct {
		name string
		cut  func(n int64, hello []byte) bool
		// whole says that nothing is lost.
		whole bool
	}{
		{"the second to the fourth", func(n int64, _ []byte) bool { return n >= 2 && n <= 4 }, true},
		{"each eleventh", func(n int64, _ []byte) bool { return n%11 == 0 }, true},
		{"SSL 3.0", func(_ int64, hello []byte) bool { return hello[2] == 0 }, true},
		{"all from the sixtieth on", func(n int64, _ []byte) bool { return n >= 60 }, false},
		{"all but the first", func(n int64, _ []byte) bool { return n > 1 }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var count atomic.Int64
			addr := probe.Serve(t, func(near net.Conn) {
				n := count.Add(1)
				relay(near, server.Addrs[0], func(hello []byte) bool { return c.cut(n, hello) })
			})
			e, err := probe.Enumerate(context.Background(), probe.Target{Addr: addr}, probe.Options{Quick: true})
			if err != nil {
				t.Fatal(err)
			}
			d := cmp.Diff(found(straight), found(e)) + cmp.Diff(straight.Groups, e.Groups) + cmp.Diff(straight.Curves, e.Curves)
			switch {
			case c.whole && (e.Incomplete || d != ""):
				t.Errorf("%s\n%s", e.Problem, d)
			case !c.whole && (!e.Incomplete || !strings.Contains(e.Problem, "disconnected") || d == ""):
				t.Errorf("incomplete %v: %q", e.Incomplete, e.Problem)
			}
		})
	}
}

// relay passes on what both say; one that is to be cut ends with the hello.
func relay(near net.Conn, addr string, cut func(hello []byte) bool) {
	far, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer far.Close()
	go func() {
		_, _ = io.Copy(near, far)
		_ = near.Close()
	}()
	buf := make([]byte, 1<<14)
	for {
		n, err := near.Read(buf)
		if err != nil || n > 2 && buf[0] == 22 && cut(buf[:n]) { // a record of a handshake
			return
		}
		if _, err := far.Write(buf[:n]); err != nil {
			return
		}
	}
}
