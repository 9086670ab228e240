package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"slices"
	"time"
)

// connect makes one connection through the gate. A server that is busy is asked
// again, after a pause for all.
func (e *enumerator) connect(ctx context.Context, f func() error) error {
	var busy error
	for {
		if err := e.gate.enter(ctx); err != nil {
			if busy != nil {
				return fmt.Errorf("%w; %w", busy, err)
			}
			return err
		}
		e.count.Add(1)
		err := f()
		if err != nil && busy != nil && over(ctx) {
			e.gate.fail()
			return busy
		}
		most := postponed(err, e.shook.Load())
		var at *Error
		switch {
		case err == nil, errors.As(err, &at) && (at.Stage == Handshaking || at.Stage == Inside):
			e.shook.Store(true)
			e.gate.leave() // a refusal is an answer
		case most == 0:
			e.gate.fail()
		case e.gate.busy() <= most:
			busy = err
			continue
		default:
			e.stop(err) // it has been waited for often enough
		}
		return err
	}
}

// postponed says how many pauses in a row an error is worth. 421 is a limit that
// passes; 454 may also be a server without a certificate, unless there was TLS
// before.
func postponed(err error, shook bool) int {
	var code *textproto.Error
	var at *Error
	switch {
	case !errors.As(err, &code):
	case code.Code == 421:
		return patience
	case code.Code != 454 || !errors.As(err, &at) || at.Stage != STARTTLS:
	case shook:
		return patience
	default:
		return 2
	}
	return 0
}

// try makes one handshake as far as the server's first answer. What is not
// accepted was refused, by an alert or by hanging up; anything else is trouble.
func (e *enumerator) try(ctx context.Context, h hello) (r reply) {
	if h.serverName == "" {
		h.serverName = e.options.ServerName
	}
	if err := e.twice(ctx, func() error { r = reply{}; return e.exchange(ctx, h, &r) }); err != nil {
		if hungUp(err) {
			e.mu.Lock()
			e.hung, e.hungUp = append(e.hung, h), cmp.Or(e.hungUp, err)
			e.mu.Unlock()
		}
		return reply{}
	}
	if len(r.chain) > 0 {
		e.leaf(r.chain)
	}
	e.mu.Lock()
	e.agreed = cmp.Or(e.agreed, &h)
	e.mu.Unlock()
	return r
}

// attempt is twice for what is no lone hello. It says whether the server agreed;
// that it hung up is trouble if it refuses by alerts.
func (e *enumerator) attempt(ctx context.Context, f func() error) bool {
	err := e.twice(ctx, f)
	if hungUp(err) && e.alerted.Load() {
		e.note(err)
	}
	return err == nil
}

// twice makes a connection, and another if it came to nothing or the server hung
// up; silence was waited for long enough. Trouble is noted. Hanging up is how some
// refuse, or something on the way has cut the connection: who asked knows more.
func (e *enumerator) twice(ctx context.Context, f func() error) (err error) {
	for range 2 {
		if err = e.connect(ctx, f); err == nil {
			return nil
		}
		if errors.As(err, new(alert)) {
			e.alerted.Store(true)
		}
		if refused(err) {
			return err
		}
		if errors.Is(err, errSilent) {
			break
		}
	}
	if !hungUp(err) && !over(ctx) { // the end of all the time that there was is not this server's silence
		e.note(err)
	}
	return err
}

// doubt notes that hanging up on a hello was no answer, if it was none: if the
// server hangs up on one too that it had taken before, or, where it has alerts for
// a refusal, does not hang up on the same hello each time.
func (e *enumerator) doubt(ctx context.Context) {
	if len(e.hung) == 0 || over(ctx) {
		return
	}
	ask := func(h hello) error {
		return e.connect(ctx, func() error { return e.exchange(ctx, h, new(reply)) })
	}
	taken := func() error {
		switch {
		case e.agreed != nil:
			return ask(*e.agreed)
		case e.firstErr == nil:
			return e.connect(ctx, func() error { _, err := Handshake(ctx, e.target, e.options); return err })
		}
		return nil
	}
	sure := !hungUp(taken()) && len(e.hung) <= maxHung
	for _, h := range e.hung {
		for range 3 {
			sure = sure && (!e.alerted.Load() || hungUp(ask(h)))
		}
	}
	if !sure {
		e.note(e.hungUp)
	}
}

// over reports whether ctx has ended. A deadline of it may be seen elsewhere first.
func over(ctx context.Context) bool {
	if end, ok := ctx.Deadline(); ctx.Err() == nil && (!ok || time.Now().Before(end)) {
		return false
	}
	<-ctx.Done()
	return true
}

// refused reports whether a server said that it did not want a handshake.
func refused(err error) bool {
	return errors.As(err, new(alert)) || errors.Is(err, errDeclined)
}

// hungUp reports whether a server left instead of an answer to a hello.
func hungUp(err error) bool {
	var at *Error
	return errors.Is(err, errHungUp) && errors.As(err, &at) && at.Stage == Handshaking
}

// exchange sends a hello and reads the answer.
func (e *enumerator) exchange(ctx context.Context, h hello, r *reply) error {
	c, err := begin(ctx, e.target, e.options)
	if err != nil {
		return err
	}
	defer c.Close()
	if e.options.asked != nil {
		e.options.asked(h)
	}
	if _, err := c.Write(h.marshal()); err != nil {
		return &Error{e.target.Addr, Handshaking, verdict(err)}
	}
	if err := r.read(c.in); err != nil {
		return &Error{e.target.Addr, Handshaking, err}
	}
	if r.version == h.version && !slices.Contains(h.suites, r.suite) {
		return &Error{e.target.Addr, Handshaking, fmt.Errorf("the server chose suite %#04x, which was not offered", r.suite)}
	}
	r.accepted = r.version == h.version
	return nil
}
