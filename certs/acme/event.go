package acme

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Phase is how far an order has come.
type Phase string

// The phases, in their order.
const (
	Ordering   Phase = "order"
	Presenting Phase = "challenge"
	WaitingDNS Phase = "wait for DNS"
	Validating Phase = "validation"
	Finalizing Phase = "signing"
	Fetching   Phase = "download"
	CleaningUp Phase = "clean up"
	Waiting    Phase = "wait for you" // a record must be made by hand
	Finished   Phase = "done"
)

// Event is something that happened on the way to a certificate.
type Event struct {
	Phase Phase
	// Name is the host name that it is about, or empty.
	Name string
	// Text says more, in words.
	Text string
	// Err is why a step failed; nil if it did not.
	Err error
}

// run is one use of the library: its context, and who is told what happens.
type run struct {
	ctx  context.Context
	stop context.CancelCauseFunc
	tell func(Event)

	mu   sync.Mutex
	last Event
}

// event tells of something; the same thing again is not told twice.
func (r *run) event(p Phase, name, text string, err error) {
	if r == nil || r.tell == nil {
		return
	}
	e := Event{p, name, text, err}
	r.mu.Lock()
	double := r.last.Phase == p && r.last.Name == name && r.last.Text == text && err == nil && r.last.Err == nil
	r.last = e
	r.mu.Unlock()
	if !double {
		r.tell(e)
	}
}

// transport carries the requests of one run: it ends them with its context,
// tells of them, and bounds what is read.
type transport struct {
	run  *run
	base http.RoundTripper
	poll time.Duration
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.run.ctx.Err() != nil {
		// The library knows no context, and would try again for a minute and
		// a half. It runs in a goroutine of ours, which ends here.
		runtime.Goexit()
	}
	ctx, cancel := context.WithTimeout(t.run.ctx, requestTime)
	resp, err := t.base.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel()
		if t.run.ctx.Err() != nil {
			return nil, t.run.ctx.Err()
		}
		return nil, err
	}
	resp.Body = &bounded{body: resp.Body, left: maxAnswer, done: cancel, stop: t.run.stop}
	// The library waits five seconds where the CA names no time, and most do
	// not. Asking a little sooner halves the wait.
	if r.Method == http.MethodPost && resp.Header.Get("Retry-After") == "" && resp.StatusCode < 300 {
		resp.Header.Set("Retry-After", strconv.Itoa(max(1, int(t.poll.Seconds()))))
	}
	if resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests {
		t.run.event(Ordering, "", fmt.Sprintf("the CA answers %s", resp.Status), nil)
	}
	return resp, nil
}

// bounded is a body that ends after so many bytes.
type bounded struct {
	body interface {
		Read([]byte) (int, error)
		Close() error
	}
	left int64
	done func()
	// stop ends the run: the library would ask again and again.
	stop context.CancelCauseFunc
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		err := fmt.Errorf("the CA's answer is longer than %d bytes", maxAnswer)
		b.stop(err)
		return 0, err
	}
	n, err := b.body.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

func (b *bounded) Close() error { defer b.done(); return b.body.Close() }

// plain takes what the library puts around a reason away: heading, name and
// prefix.
func plain(s string) string {
	s = strings.TrimSpace(strings.TrimPrefix(s, "error: one or more domains had a problem:"))
	for _, around := range []string{"acme: error presenting token: ", "acme: "} {
		if _, after, ok := strings.Cut(s, around); ok {
			s = after
		}
	}
	return strings.TrimSpace(s)
}
