package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
)

// resumes finds out how a session can be taken up again: by a ticket, with TLS
// 1.3 and 1.2, and by the number that a server gives it, before TLS 1.3.
func (e *enumerator) resumes(ctx context.Context) []string {
	out := []string{}
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		if v == tls.VersionTLS12 && e.resumesByID(ctx) {
			out = append(out, "TLS 1.2 session id")
		}
		if e.resumesByTicket(ctx, v) {
			out = append(out, tls.VersionName(v)+" ticket")
		}
	}
	return out
}

// resumesByTicket makes two whole handshakes. Tickets of TLS 1.3 come after the
// handshake, with what is said then.
func (e *enumerator) resumesByTicket(ctx context.Context, v uint16) (resumed bool) {
	cache := tls.NewLRUClientSessionCache(1)
	for range 2 {
		ok := e.attempt(ctx, func() error {
			c, err := begin(ctx, e.target, e.options)
			if err != nil {
				return err
			}
			defer c.Close()
			config := e.options.config(new(Result))
			config.MinVersion, config.MaxVersion, config.ClientSessionCache = v, v, cache
			conn := tls.Client(prompt{c.Conn}, config)
			if err := e.finish(ctx, conn); err != nil {
				return err
			}
			resumed = conn.ConnectionState().DidResume
			c.use(conn)
			if e.target.Implicit {
				_ = c.hello(new(Result))
			} else {
				_, _ = c.ehlo()
			}
			return nil
		})
		if !ok {
			return false
		}
	}
	return resumed
}

// errDeclined is a handshake of crypto/tls that came to nothing. Whatever it was,
// there is none of the kind that was tried.
var errDeclined = errors.New("no such handshake")

// finish makes a whole handshake.
func (e *enumerator) finish(ctx context.Context, conn *tls.Conn) error {
	err := conn.HandshakeContext(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(verdict(err), errSilent), errors.Is(verdict(err), errHungUp):
		return &Error{e.target.Addr, Handshaking, verdict(err)}
	}
	return &Error{e.target.Addr, Handshaking, fmt.Errorf("%w: %w", errDeclined, err)}
}

// resumesByID makes a whole handshake of TLS 1.2 without tickets, and asks for
// the same session by its number: a server that says the same number back knows
// it (RFC 5246, section 7.4.1.3).
func (e *enumerator) resumesByID(ctx context.Context) bool {
	var given reply
	if !e.attempt(ctx, func() error {
		c, err := begin(ctx, e.target, e.options)
		if err != nil {
			return err
		}
		defer c.Close()
		heard := &recorder{Conn: prompt{c.Conn}}
		config := e.options.config(new(Result))
		config.MaxVersion, config.SessionTicketsDisabled = tls.VersionTLS12, true
		conn := tls.Client(heard, config)
		if err := e.finish(ctx, conn); err != nil {
			return err
		}
		_ = conn.Close() // an orderly end, or the session is forgotten
		return given.read(bytes.NewReader(heard.in.Bytes()))
	}) || len(given.session) == 0 {
		return false
	}
	var again reply
	suite := []uint16{given.suite}
	ok := e.attempt(ctx, func() error {
		again = reply{}
		h := hello{version: given.version, suites: suite, session: given.session, serverName: e.options.ServerName, noTicket: true}
		err := e.exchange(ctx, h, &again)
		if again.accepted && slices.Equal(again.session, given.session) {
			return nil // what follows is encrypted
		}
		return err
	})
	return ok && slices.Equal(again.session, given.session)
}

// recorder keeps what came, and what was said.
type recorder struct {
	net.Conn
	in, out bytes.Buffer
}

// Read implements io.Reader.
func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.in.Write(p[:n])
	return n, err
}

// Write implements io.Writer.
func (r *recorder) Write(p []byte) (int, error) {
	n, err := r.Conn.Write(p)
	r.out.Write(p[:n])
	return n, err
}

// names asks for no name, for the right one, and for one that the server cannot
// know.
func (e *enumerator) names(ctx context.Context) []Named {
	out := []Named{}
	for _, name := range slices.Compact([]string{"", e.options.ServerName, "elsewhere.invalid"}) {
		n, r, err := Named{Name: name}, e.first, e.firstErr
		if name != e.options.ServerName {
			o := e.options
			o.ServerName = name
			e.attempt(ctx, func() error {
				if r, err = Handshake(ctx, e.target, o); len(r.Certs) > 0 || declined(err) != nil && !hungUp(err) {
					return nil
				}
				return err
			})
		}
		switch at := declined(err); {
		case len(r.Certs) > 0:
			n.Certificate = r.Fingerprint()
		case at != nil:
			n.Refused = at.Err.Error()
		default:
			continue
		}
		out = append(out, n)
	}
	return out
}

// declined is the error of a handshake that a server did not want, or nil.
func declined(err error) *Error {
	var at *Error
	if errors.As(err, &at) && at.Stage == Handshaking && !errors.Is(err, errSilent) {
		return at
	}
	return nil
}
