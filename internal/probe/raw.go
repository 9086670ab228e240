package probe

import (
	"context"
	"errors"
	"slices"
)

// Anonymous reports whether a server agrees on a suite without any certificate. It
// goes no further than the server's first answer.
func Anonymous(ctx context.Context, t Target, o Options) (taken bool, err error) {
	taken, _, err = Offer(ctx, t, o, "aNULL")
	return taken, err
}

// Offer reports whether a server agrees on a suite of TLS 1.2 that is in one of the
// classes, as openssl-ciphers(1) calls them, and on which. It goes no further than
// the server's first answer.
func Offer(ctx context.Context, t Target, o Options, classes ...string) (taken bool, suite Suite, err error) {
	c, err := begin(ctx, t, o)
	if err != nil {
		return false, suite, err
	}
	defer c.Close()
	h := hello{version: tls12}
	for _, s := range suites {
		if !s.modern() && slices.ContainsFunc(classes, s.In) {
			h.suites = append(h.suites, s.ID)
		}
	}
	if _, err := c.Write(h.marshal()); err != nil {
		return false, suite, &Error{t.Addr, Handshaking, err}
	}
	var r reply
	if err := r.read(c.in); err != nil && !r.accepted {
		if err = (&Error{t.Addr, Handshaking, err}); !refused(err) && !hungUp(err) {
			return false, suite, err
		}
	}
	return r.accepted, suiteByID[r.suite], nil
}

// Abort asks for TLS, sends half a hello, and leaves without a word.
func Abort(ctx context.Context, t Target, o Options) error {
	c, err := begin(ctx, t, o)
	if err != nil {
		return err
	}
	defer c.Close()
	hello := hello{version: tls12, suites: []uint16{0xC02F, 0xC02B}}.marshal()
	if _, err := c.Write(hello[:len(hello)/2]); err != nil {
		return &Error{t.Addr, Handshaking, err}
	}
	return nil
}

// begin connects and comes to where a hello is due.
func begin(ctx context.Context, t Target, o Options) (*conversation, error) {
	c, err := open(ctx, t, o)
	if err != nil || t.Implicit {
		return c, err
	}
	var r Result
	err = c.hello(&r)
	if err == nil && !r.Offers("STARTTLS") {
		err = &Error{t.Addr, STARTTLS, ErrNotOffered}
	}
	if err == nil {
		if _, e := c.command("STARTTLS", 220); e != nil {
			err = &Error{t.Addr, STARTTLS, e}
		}
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Answer is what a server said to a hello.
type Answer struct {
	Version string
	Suite   Suite
	Group   string
	// Refused is why it agreed on nothing, or empty.
	Refused string
}

// Replay sends a hello that was made elsewhere, and reads the server's first answer. That
// the server refuses it is no error.
func Replay(ctx context.Context, t Target, o Options, hello []byte) (a Answer, err error) {
	c, err := begin(ctx, t, o)
	if err != nil {
		return a, err
	}
	defer c.Close()
	if _, err := c.Write(hello); err != nil {
		return a, &Error{t.Addr, Handshaking, err}
	}
	var r reply
	err = r.read(c.in)
	switch at := (&Error{t.Addr, Handshaking, err}); {
	case err == nil || r.accepted:
		a = Answer{Version: VersionName(r.version), Suite: SuiteOf(r.suite)}
		if r.group != 0 {
			a.Group = GroupName(r.group)
		}
	case refused(err) || hungUp(at):
		a.Refused = err.Error()
	default:
		return a, at
	}
	return a, nil
}
