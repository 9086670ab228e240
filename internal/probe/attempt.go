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
	if !e.attempt(ctx, func() error { r = reply{}; return e.exchange(ctx, h, &r) }) {
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

// attempt makes a connection, and another if it came to nothing or the server hung
// up; silence was waited for long enough. It says whether the server agreed.
func (e *enumerator) attempt(ctx context.Context, f func() error) bool {
	var err error
	for range 2 {
		if err = e.connect(ctx, f); err == nil {
			return true
		}
		if errors.As(err, new(alert)) {
			e.alerted.Store(true)
		}
		if refused(err) {
			return false
		}
		if errors.Is(err, errSilent) {
			break
		}
	}
	if hungUp(err) { // that is how some refuse; or something on the way has cut it
		e.mu.Lock()
		e.hungUp = cmp.Or(e.hungUp, err)
		e.mu.Unlock()
		return false
	}
	if !over(ctx) { // the end of all the time that there was is not this server's silence
		e.note(err)
	}
	return false
}

// doubt notes that hanging up was no answer, if it was none: the server refuses by
// alerts, or hangs up on a hello too that it had taken before.
func (e *enumerator) doubt(ctx context.Context) {
	if e.hungUp == nil || over(ctx) {
		return
	}
	again := func() (err error) {
		switch {
		case e.agreed != nil:
			err = e.exchange(ctx, *e.agreed, new(reply))
		case e.firstErr == nil:
			_, err = Handshake(ctx, e.target, e.options)
		}
		return err
	}
	if e.alerted.Load() || hungUp(e.connect(ctx, again)) {
		e.note(e.hungUp)
	}
}

// over says whether ctx has ended. A deadline of it may be seen elsewhere first.
func over(ctx context.Context) bool {
	if end, ok := ctx.Deadline(); ctx.Err() == nil && (!ok || time.Now().Before(end)) {
		return false
	}
	<-ctx.Done()
	return true
}

// refused says whether a server said that it did not want a handshake.
func refused(err error) bool {
	return errors.As(err, new(alert)) || errors.Is(err, errDeclined)
}

// hungUp says whether a server left instead of an answer to a hello.
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
		return &Error{e.target.Addr, Handshaking, fmt.Errorf("it chose suite %#04x, which was not offered", r.suite)}
	}
	r.accepted = r.version == h.version
	return nil
}
