package rehearse

import (
	"context"
	"net"
	"time"
)

// slowly dials connections whose first TLS record goes out in pieces, over
// about that time in all.
func slowly(over time.Duration) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &slowConn{Conn: c, over: over}, nil
	}
}

// slowConn sends what looks like a TLS handshake record in pieces, once.
type slowConn struct {
	net.Conn
	over time.Duration
	sent bool
}

// Write implements net.Conn.
func (c *slowConn) Write(b []byte) (int, error) {
	const pieces = 4
	if c.sent || len(b) < pieces || b[0] != 22 {
		return c.Conn.Write(b)
	}
	c.sent = true
	n := 0
	for i := range pieces {
		k, err := c.Conn.Write(b[len(b)*i/pieces : len(b)*(i+1)/pieces])
		if n += k; err != nil {
			return n, err
		}
		time.Sleep(c.over / pieces)
	}
	return n, nil
}
