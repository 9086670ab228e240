package apply

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/plan"
	"postseal/internal/probe"
)

// Proof is what one listener answered.
type Proof struct {
	Service string    `json:"service"`
	Addr    string    `json:"addr"`
	Mode    plan.Mode `json:"mode"`
	// OK is true if it answered as it should.
	OK bool `json:"ok"`
	// Version, Suite and Group are what a client of today agrees on.
	Version string `json:"version,omitempty"`
	Suite   string `json:"suite,omitempty"`
	Group   string `json:"group,omitempty"`
	// Serves maps algorithms to the SHA-256 of the leaf that was served.
	Serves map[string]string `json:"serves,omitempty"`
	// Names and Until are of the leaf that a client of today sees.
	Names []string  `json:"names,omitempty"`
	Until time.Time `json:"until,omitzero"`
	// Refused is the newest TLS version that was refused, as it should be.
	Refused string `json:"refused,omitempty"`
	// Stage and Problem are where and why it failed.
	Stage   probe.Stage `json:"stage,omitempty"`
	Problem string      `json:"problem,omitempty"`
}

// observeTime bounds one look at a listener. A postscreen may hold its
// greeting back for six seconds.
const observeTime = 10 * time.Second

// observe notes how each listener answers before the change. If none answers,
// Postfix does not run, and nothing could be proved afterwards.
func (t *transaction) observe(ctx context.Context) error {
	if t.FilesOnly {
		return nil
	}
	done := t.step("check the listeners")
	stopped := t.stopped(ctx)
	if !t.promised && !stopped { // what goes back as promised may be the cure
		if err := t.reloadable(ctx); err != nil {
			return done(t.wayBack(err))
		}
	}
	runs, err := false, error(nil)
	if !stopped {
		runs, err = t.status(ctx)
	}
	if err := interrupted(ctx); err != nil {
		return done(err)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded): // nor would a reload come to its end
		return done(t.hangs(ctx, err))
	case t.promised && !runs:
		if stopped && !t.ran {
			t.noteStopped()
		}
		return done(nil) // what Postfix cannot read, it cannot look at either
	case err != nil:
		return done(err)
	case !runs:
		return done(t.notRunning(", or write only the files: --files-only"))
	}
	if len(t.Checks) == 0 {
		return done(nil)
	}
	log := t.o.Log.Mark(t.m)
	t.Before = t.lookAll(ctx, t.Checks)
	t.noteTroubles(ctx, log)
	if err := interrupted(ctx); err != nil { // a listener that was not waited for says nothing
		return done(err)
	}
	for i, c := range t.Checks {
		if c.New && t.Before[i].Stage != probe.Connecting {
			return done(hint.New(fmt.Sprintf("another program listens on %s already: Postfix would not start with a service there", c.Addr),
				"find it with ss -ltnp and stop it, or leave the new service out"))
		}
	}
	if t.Undoes != "" || slices.ContainsFunc(t.Before, func(p Proof) bool { return !p.mute() }) {
		return done(nil) // an undo may be what cures it
	}
	return done(hint.New("Postfix is running, but there is no greeting on "+addresses(t.Checks)+": a change could not be verified",
		"check its log, or write only the files: --files-only"))
}

// Observe looks at listeners and compares what they show with what they
// should, without changing anything.
func Observe(ctx context.Context, m host.Machine, configDir string, checks []plan.Check) []Proof {
	t := &transaction{m: m, Receipt: &Receipt{ConfigDir: configDir}}
	proofs := t.lookAll(ctx, checks)
	for i, p := range proofs {
		if why := t.wrong(checks[i], p); why != "" {
			proofs[i].OK = false
			if p.OK {
				proofs[i].Stage, proofs[i].Problem = probe.Handshaking, why
			}
		}
	}
	return proofs
}

// mute says that a listener could not be reached, or said nothing of use.
func (p Proof) mute() bool {
	return p.Stage == probe.Connecting || p.Stage == probe.Greeting || p.Stage == probe.EHLO
}

func addresses(checks []plan.Check) string {
	var out []string
	for _, c := range checks {
		out = append(out, c.Addr)
	}
	return strings.Join(out, ", ")
}

// lookAll looks at all listeners at once.
func (t *transaction) lookAll(ctx context.Context, checks []plan.Check) []Proof {
	out := make([]Proof, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Add(1)
		go func() { defer wg.Done(); out[i] = t.look(ctx, c) }()
	}
	wg.Wait()
	return out
}

// look shakes hands once as a client of today, and once for each certificate
// that should be there beside the first.
func (t *transaction) look(ctx context.Context, c plan.Check) Proof {
	p := Proof{Service: c.Service, Addr: c.Addr, Mode: c.Mode, Serves: map[string]string{}}
	target := probe.Target{Addr: c.Addr, Implicit: c.Mode == plan.Implicit, Proxy: c.Proxy}
	options := probe.Options{Dial: t.m.Dial, Timeout: observeTime}
	fail := func(err error) Proof {
		p.Problem = err.Error()
		var e *probe.Error
		if errors.As(err, &e) {
			p.Stage, p.Problem = e.Stage, e.Err.Error()
		}
		return p
	}
	if c.Mode == plan.GreetOnly {
		if _, err := probe.Greet(ctx, target, options); err != nil {
			return fail(err)
		}
		p.OK = true
		return p
	}
	r, err := probe.Handshake(ctx, target, options)
	if err != nil {
		return fail(err)
	}
	p.Version, p.Suite, p.Group = r.Version, r.Suite, r.Group
	p.Names, p.Until = r.Certs[0].DNSNames, r.Certs[0].NotAfter
	p.Serves[r.Algorithm()] = r.Fingerprint()
	for _, kind := range slices.Sorted(maps.Keys(c.Serves)) {
		if _, seen := p.Serves[kind]; seen || c.Floor == "TLSv1.3" {
			continue
		}
		options.Algorithm = kind
		r, err := probe.Handshake(ctx, target, options)
		if err != nil {
			return fail(fmt.Errorf("asked for its %s certificate: %w", kind, err))
		}
		p.Serves[kind] = r.Fingerprint()
	}
	p.OK = true
	return p
}

// reloadAndProve makes the new state live and proves it.
func (t *transaction) reloadAndProve(ctx context.Context) error {
	t.Unchecked = nil
	log := t.o.Log.Mark(t.m)
	live := t.reload
	if t.Undoes != "" { // what it takes back, or an edit of it, may have killed the master
		live = t.revive
	}
	if err := live(ctx, "reload"); err != nil {
		return t.wayBack(err)
	}
	done := t.step("shake hands with every listener")
	proofs, err := t.await(ctx, t.Checks, t.wrong)
	t.Proofs = proofs
	if err := done(err); err != nil {
		if _, alarms := t.readLog(ctx, log); len(alarms) > 0 {
			return fmt.Errorf("%w; %s", err, t.logged(alarms))
		}
		return err
	}
	switch read, alarms := t.readLog(ctx, log); {
	case !read:
		t.outlive(ctx) // else its last words would have been there
	case len(alarms) > 0:
		if err := t.lookAgain(ctx); err != nil {
			return fmt.Errorf("%w; %s", err, t.logged(alarms))
		}
		t.Unchecked = t.unchecked(alarms)
	}
	if _, lives, known := t.master(ctx); known && !lives {
		return hint.New("the Postfix master died during the reload: only processes that it left still answer", "see the end of the Postfix log")
	}
	return t.floors(ctx)
}

// lookAgain proves the listeners once more: the log says that something is broken.
// Whether it is, the handshakes tell.
func (t *transaction) lookAgain(ctx context.Context) error {
	done := t.step("shake hands once more")
	proofs, err := t.await(ctx, t.Checks, t.wrong)
	t.Proofs = proofs
	return done(err)
}

// unchecked returns the programs of alarms that no handshake with a listener refutes.
// Forged lines can so keep a run from being called proved, but not from being kept.
func (t *transaction) unchecked(alarms []alarm) (out []string) {
	for _, a := range alarms {
		listens := a.program == "smtpd" || a.program == "postscreen" // tlsproxy is a client too
		if listens && len(t.Checks) > 0 || slices.Contains(out, a.program) {
			continue
		}
		out = append(out, a.program)
	}
	return out
}

// throttleTime is how long a listener may take to be as it was before.
const throttleTime = 90 * time.Second

// reloadAndCompare makes the old state live again and compares it with what
// was seen before.
func (t *transaction) reloadAndCompare(ctx context.Context) error {
	reload := "reload the old state"
	if t.Undoes != "" {
		reload = "reload, with run " + t.Undoes + " in effect"
	}
	if err := t.revive(ctx, reload); err != nil {
		return err
	}
	// The master pauses a service whose processes died, for a minute by
	// default (service_throttle_time), and no reload shortens that.
	t.o.ProveTime = max(t.o.ProveTime, throttleTime)
	done := t.step("compare the listeners with before")
	before := map[string]Proof{}
	for _, p := range t.Before {
		before[p.Service] = p
	}
	_, err := t.await(ctx, t.Checks, func(_ plan.Check, now Proof) string {
		was, ok := before[now.Service]
		switch {
		case !ok, was.Stage != "" && now.Stage == was.Stage:
			return ""
		case was.OK != now.OK:
			return "was " + outcome(was) + ", is " + outcome(now)
		case !maps.Equal(was.Serves, now.Serves):
			return "serves another certificate than before"
		}
		return ""
	})
	return done(err)
}

func outcome(p Proof) string {
	if p.OK {
		return "well"
	}
	return fmt.Sprintf("failing (%s: %s)", p.Stage, p.Problem)
}

// looks is how often in a row nothing must be wrong. An idle process from before a
// reload may take one client more before it sees that it has to end
// (single_server.c), and of an undo it may be what the first look sees: it knows
// the old files, whatever has become of them.
const looks = 2

// deadline is until when an old process may answer.
func (t *transaction) deadline() time.Time {
	return time.Now().Add(cmp.Or(t.o.ProveTime, 30*time.Second))
}

// lookTime is the time between two looks.
const lookTime = 150 * time.Millisecond

// sleep ends with ctx too.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// await looks until no listener is wrong, or the time is up: for a while
// after a reload, the old processes still answer.
func (t *transaction) await(ctx context.Context, checks []plan.Check, wrong func(plan.Check, Proof) string) ([]Proof, error) {
	deadline := t.deadline()
	for good := 0; ; {
		proofs := t.lookAll(ctx, checks)
		var all []error
		for i, p := range proofs {
			if text := wrong(checks[i], p); text != "" {
				proofs[i].OK = false
				all = append(all, fmt.Errorf("%s (%s): %s", p.Service, p.Addr, text))
			}
		}
		if len(all) == 0 {
			if good++; good == looks {
				return proofs, nil
			}
			continue
		}
		good = 0
		if err := interrupted(ctx); errors.Is(err, context.Canceled) {
			return nil, err // and no word of listeners that were not waited for
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return proofs, errors.Join(append(all, ctx.Err())...)
		}
		sleep(ctx, lookTime)
	}
}

// wrong says how an answer differs from what the plan promises; "" if it does
// not. A listener that was mute before too, and still does not serve anyone, is
// not held against the change.
func (t *transaction) wrong(c plan.Check, p Proof) string {
	i := slices.IndexFunc(t.Before, func(b Proof) bool { return b.Service == c.Service })
	if !p.OK && i >= 0 && !c.New && t.Before[i].mute() {
		return ""
	}
	// A server that demands a client certificate of everyone says so inside TLS.
	if !p.OK && i >= 0 && p.Stage == probe.Inside && t.Before[i].Stage == p.Stage {
		return ""
	}
	if !p.OK {
		return fmt.Sprintf("%s: %s", p.Stage, p.Problem)
	}
	for kind, want := range c.Serves {
		if got, seen := p.Serves[kind]; seen && got != want {
			return fmt.Sprintf("serves another %s certificate (%.16s…) than intended (%.16s…)", kind, got, want)
		} else if !seen && c.Floor != "TLSv1.3" {
			return fmt.Sprintf("does not serve its %s certificate", kind)
		}
	}
	if len(c.Serves) > 0 {
		for kind := range p.Serves {
			if c.Serves[kind] == "" {
				return fmt.Sprintf("serves a %s certificate that is not intended", kind)
			}
		}
	}
	return ""
}

// timedOut reports whether nothing came at all, which is no refusal.
func timedOut(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// floors proves that what lies below the floor is refused: an old process that takes
// it yet is looked at once more, as in await.
func (t *transaction) floors(ctx context.Context) error {
	below := map[string]uint16{"TLSv1.2": tls.VersionTLS11, "TLSv1.3": tls.VersionTLS12}
	done := t.step("test what must be refused")
	for i, c := range t.Checks {
		version, ok := below[c.Floor]
		if !ok || !t.Proofs[i].OK {
			continue
		}
		target := probe.Target{Addr: c.Addr, Implicit: c.Mode == plan.Implicit, Proxy: c.Proxy}
		options := probe.Options{Dial: t.m.Dial, Timeout: observeTime, MaxVersion: version}
		r, err := probe.Handshake(ctx, target, options)
		for deadline := t.deadline(); err == nil && ctx.Err() == nil && time.Now().Before(deadline); {
			sleep(ctx, lookTime)
			r, err = probe.Handshake(ctx, target, options)
		}
		if err := interrupted(ctx); err != nil {
			return done(err)
		}
		var e *probe.Error
		switch {
		case err == nil:
			return done(fmt.Errorf("%s (%s) still accepts %s, below the minimum %s", c.Service, c.Addr, r.Version, c.Floor))
		case errors.As(err, &e) && e.Stage == probe.Handshaking && !timedOut(err):
			t.Proofs[i].Refused = tls.VersionName(version)
		default:
			return done(err)
		}
	}
	return done(nil)
}
