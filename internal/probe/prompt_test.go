package probe

import (
	"io"
	"net"
	"syscall"
	"testing"
)

// TestPrompt: where questions and answers alternate, a connection waits with what
// it acknowledges, unless it is told not to.
func TestPrompt(t *testing.T) {
	addr := Serve(t, func(c net.Conn) { _, _ = io.Copy(c, c) })
	talk := func(wrap func(net.Conn) net.Conn) (quick int) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		talker := wrap(c)
		for range 20 {
			if _, err := io.WriteString(talker, "hello"); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(talker, make([]byte, 5)); err != nil {
				t.Fatal(err)
			}
		}
		raw, err := c.(syscall.Conn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if e := raw.Control(func(fd uintptr) {
			quick, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK)
		}); e != nil || err != nil {
			t.Fatal(e, err)
		}
		return quick
	}
	if quick := talk(func(c net.Conn) net.Conn { return c }); quick != 0 {
		t.Fatalf("it does not wait anyway: %d", quick)
	}
	if talk(func(c net.Conn) net.Conn { return prompt{c} }) != 1 {
		t.Error("it waits all the same")
	}
}
