package acme

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Phase is how far an order has come.
type Phase string

// The phases, in their order.
const (
	Connecting  Phase = "account"
	Ordering    Phase = "order"
	Authorizing Phase = "authorisation"
	Waiting     Phase = "wait for you" // a record must be made by hand
	Presenting  Phase = "challenge"
	WaitingDNS  Phase = "wait for DNS"
	Validating  Phase = "validation"
	CleaningUp  Phase = "clean up"
	Removing    Phase = "remove by hand" // a record made by hand is not needed any more
	Finalizing  Phase = "signing"
	Fetching    Phase = "download"
	Finished    Phase = "done"
)

// Event is something that happened on the way to a certificate.
type Event struct {
	Phase Phase
	// Name is the host name that it is about, or empty.
	Name string
	// Text says more, in words. Of Waiting and Removing it is the record, as a
	// zone file has it.
	Text string
	// Err is why a step failed; nil if it did not.
	Err error
	// Time is when it happened.
	Time time.Time
}

// run is one use of the library: its context, and who is told what happens.
type run struct {
	ctx  context.Context
	stop context.CancelCauseFunc
	// cleanUp takes away what was put in place; it is called when ctx ends.
	cleanUp func()

	telling sync.Mutex // one event at a time, and none after the end
	tell    func(Event)
	last    Event

	mu     sync.Mutex
	failed map[string]error  // by host name
	states map[string]string // of authorisations, by host name
	// What the CA said of the order, and the last refusal it gave.
	ordered     bool
	renewal     bool // the order reflects what it replaces
	signing     bool
	finalize    string
	certificate string
	refusal     *Problem
	refusedAt   string
}

// event tells of something; the same thing again is not told twice.
func (r *run) event(p Phase, name, text string, err error) {
	if r == nil {
		return
	}
	r.telling.Lock()
	defer r.telling.Unlock()
	if r.tell == nil {
		return
	}
	e := Event{p, name, text, err, time.Now()}
	double := r.last.Phase == p && r.last.Name == name && r.last.Text == text && err == nil && r.last.Err == nil
	if r.last = e; !double {
		r.tell(e)
	}
}

// end tells the last event. What the library still does after a cancelled run
// is told to nobody: the caller has gone.
func (r *run) end(err error) {
	r.event(Finished, "", "", err)
	r.telling.Lock()
	defer r.telling.Unlock()
	r.tell = nil
}

// fail remembers why a name could not be proved. The library hands these
// errors back in a map of its own, in any order.
func (r *run) fail(name string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil {
		r.failed = map[string]error{}
	}
	r.failed[name] = err
}

// failures are the reasons, by name; a reason that several names share is
// given once.
func (r *run) failures() (out []error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	said := map[string][]string{}
	for name, err := range r.failed {
		said[err.Error()] = append(said[err.Error()], name)
	}
	for _, name := range slices.Sorted(maps.Keys(r.failed)) {
		err := r.failed[name]
		names := said[err.Error()]
		if slices.Sort(names); len(names) == 0 || names[0] != name {
			continue
		}
		if p := (*Problem)(nil); errors.As(err, &p) { // it says its name itself
			out = append(out, advised(err))
			continue
		}
		out = append(out, fmt.Errorf("%.300s: %w", strings.Join(names, ", "), err))
	}
	return out
}
