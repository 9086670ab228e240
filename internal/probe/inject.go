package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"net/textproto"
	"strings"
)

// injected says whether a command that was sent in clear text together with
// STARTTLS, as somebody on the way could have put it there, is obeyed inside TLS
// (CVE-2011-0411): its answer comes before that to EHLO. A server that refuses
// commands that come together, or hangs up, is well. It is nil if that could not be
// tried: no whole handshake comes about.
func (e *enumerator) injected(ctx context.Context) (obeyed *bool) {
	e.attempt(ctx, func() error {
		obeyed = nil
		no := false
		c, err := open(ctx, e.target, e.options)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.hello(new(Result)); err != nil {
			return err
		}
		if _, err := c.command("STARTTLS\r\nNOOP", 220); err != nil {
			if code := new(textproto.Error); errors.As(err, &code) && code.Code >= 500 || errors.Is(err, errHungUp) {
				obeyed = &no
				return nil
			}
			return &Error{e.target.Addr, STARTTLS, err}
		}
		conn := tls.Client(prompt{c.Conn}, e.options.config(new(Result)))
		if err := e.finish(ctx, conn); err != nil {
			return err
		}
		c.use(conn)
		reply, err := c.command("EHLO "+HeloName, 250)
		if err != nil {
			if errors.Is(err, errHungUp) {
				obeyed = &no
				return nil
			}
			return &Error{e.target.Addr, Inside, err}
		}
		yes := false
		if !strings.Contains(reply, "\n") { // that was the answer to NOOP
			reply, err = c.reply(250)
			yes = err == nil && strings.Contains(reply, "\n")
		}
		obeyed = &yes
		return nil
	})
	return obeyed
}
