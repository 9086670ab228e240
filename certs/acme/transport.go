package acme

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"postseal/internal/hint"
)

// transport carries the requests of one run: it ends them with its context,
// reads what is said of order and authorisations, bounds what is read, and
// keeps from the library what it cannot bear.
type transport struct {
	run  *run
	base http.RoundTripper
	poll time.Duration
	time time.Duration // for one request
}

// maxWait is the longest Retry-After that is kept to between two questions
// about a challenge: the library multiplies it by a hundred.
const maxWait = 10 * time.Second

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.run.ctx.Err(); err != nil {
		if t.run.asking() {
			// The library asks for a signed certificate for a minute and a half,
			// whatever the answer. Only here is this surely the goroutine of
			// the run, and no other one waits for it.
			runtime.Goexit()
		}
		return nil, err
	}
	t.run.sending(r.URL.String())
	ctx, cancel := context.WithTimeout(t.run.ctx, t.time)
	defer cancel()
	resp, err := t.base.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, late(t.run.ctx, ctx, t.time, err)
	}
	data, err := read(resp)
	if err != nil {
		err = late(t.run.ctx, ctx, t.time, err)
		if errors.Is(err, ErrAnswer) {
			t.run.stop(err) // it would be asked for again and again
		}
		return nil, err
	}
	switch {
	case resp.StatusCode >= http.StatusBadRequest:
		data = t.run.refused(r.URL.String(), resp, data)
	case len(data) > 0 && !json.Valid(data) && !bytes.Contains(data, []byte("-----BEGIN ")):
		err := unusable("it begins with %.40q", data)
		t.run.stop(err)
		return nil, err
	default:
		t.run.received(data)
	}
	if r.Method == http.MethodPost && resp.StatusCode < http.StatusMultipleChoices {
		// The library waits five seconds where the CA names no time, and most
		// do not. Asking a little sooner halves the wait.
		wait := t.poll
		if said := resp.Header.Get("Retry-After"); said != "" {
			wait = min(retryAfter(said, time.Now()), maxWait)
		}
		resp.Header.Set("Retry-After", strconv.Itoa(max(1, int(wait.Seconds()))))
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
	return resp, nil
}

// read reads an answer, up to maxAnswer.
func read(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(data) > maxAnswer {
		return nil, unusable("it is longer than %d bytes", maxAnswer)
	}
	return data, err
}

// unusable is an answer that is not ACME.
func unusable(format string, args ...any) error {
	return hint.Wrap(fmt.Errorf("%w: %s", ErrAnswer, fmt.Sprintf(format, args...)), "check that this is the address of the CA's directory; otherwise try again later, or contact the CA")
}

// late says that a request took too long, if that is why it failed.
func late(run, request context.Context, limit time.Duration, err error) error {
	if run.Err() == nil && errors.Is(request.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s", limit)
	}
	return err
}

// asking reports whether the order is being signed or fetched.
func (r *run) asking() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.signing
}

// sending tells of the requests that begin a phase.
func (r *run) sending(address string) {
	r.mu.Lock()
	sign, fetch := address == r.finalize && address != "", address == r.certificate && address != ""
	r.signing = r.signing || sign
	r.mu.Unlock()
	if sign {
		r.event(Finalizing, "", "", nil)
	}
	if fetch {
		r.event(Fetching, "", address, nil)
	}
}

// answer is what order, authorisation and challenge look like together
// (RFC 8555, section 7.1).
type answer struct {
	Status      string   `json:"status"`
	Finalize    string   `json:"finalize"`
	Certificate string   `json:"certificate"`
	Replaces    string   `json:"replaces"` // RFC 9773, section 5
	Error       *refusal `json:"error"`
	Identifier  struct {
		Value string `json:"value"`
	} `json:"identifier"`
	Wildcard   bool `json:"wildcard"`
	Challenges []struct {
		Status string   `json:"status"`
		Error  *refusal `json:"error"`
	} `json:"challenges"`
}

// received follows order and authorisations.
func (r *run) received(data []byte) {
	var a answer
	if json.Unmarshal(data, &a) != nil {
		return // a certificate, or nothing at all
	}
	switch {
	case a.Finalize != "":
		r.mu.Lock()
		r.ordered, r.finalize, r.certificate, r.renewal = true, a.Finalize, a.Certificate, a.Replaces != ""
		signing := r.signing
		r.mu.Unlock()
		if a.Status == "invalid" && signing {
			// The library would ask on until its time is over.
			r.stop(advised(a.Error.problem("")))
		}
	case a.Identifier.Value != "":
		r.authorization(a)
	}
}

func (r *run) authorization(a answer) {
	name := a.Identifier.Value
	if a.Wildcard {
		name = "*." + name
	}
	r.mu.Lock()
	if r.states == nil {
		r.states = map[string]string{}
	}
	before, known := r.states[name]
	r.states[name] = a.Status
	r.mu.Unlock()
	switch {
	case known && before == a.Status:
	case a.Status == "invalid":
		p := (*refusal)(nil).problem(name)
		for _, c := range a.Challenges {
			if c.Error != nil {
				p = c.Error.problem(name)
			}
		}
		r.fail(name, p)
		r.event(Validating, name, "refused", p)
	case !known:
		r.event(Authorizing, name, a.Status, nil)
	case a.Status == "valid":
		r.event(Validating, name, "the CA has validated the challenge", nil)
	}
}

// refused notes a refusal, and returns it in the form that the library can
// read: it dereferences the null of a broken server, in a goroutine where
// nobody can catch that, and knows no Retry-After but of one kind of error.
func (r *run) refused(address string, resp *http.Response, data []byte) []byte {
	d := readRefusal(resp, data)
	p := d.problem("")
	p.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	if p.Type != "badNonce" {
		r.mu.Lock()
		r.refusal, r.refusedAt = p, address
		r.mu.Unlock()
	}
	if resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusTooManyRequests {
		r.event(Ordering, "", "", p)
	}
	// While it waits for the certificate, the library asks on whatever it
	// hears. That is right for a fault that passes, and for nothing else.
	if p.Type != "badNonce" && resp.StatusCode < http.StatusInternalServerError && r.asking() {
		r.stop(advised(p))
	}
	data, err := json.Marshal(d)
	if err != nil {
		return []byte("{}")
	}
	return data
}
