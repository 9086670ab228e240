package probe

import (
	"net"
	"syscall"
)

// prompt is a connection that acknowledges at once what came (tcp(7),
// TCP_QUICKACK). A server that has sent something small, such as a ticket, holds
// the next thing back until then (RFC 896), and a system that waits whether it can
// acknowledge it together with words of its own lets it wait: 40 ms with Linux, at
// each whole handshake.
type prompt struct {
	net.Conn
}

// Read implements io.Reader.
func (p prompt) Read(b []byte) (int, error) {
	if c, ok := p.Conn.(syscall.Conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) {
				_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1) // without it, it is slower
			})
		}
	}
	return p.Conn.Read(b)
}
