package rehearse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"postseal/internal/plan"
	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
)

// Receive starts a private Postfix that has every listener of the candidate on a port
// of its own, and shakes hands with each as different clients. An error is a fault of
// the rehearsal; faults of the candidate are in the report. It needs root.
func Receive(ctx context.Context, c Candidate, o Options) (*Report, error) {
	began := time.Now()
	report := &Report{}
	var mu sync.Mutex
	tell := func(t Trial) {
		mu.Lock()
		defer mu.Unlock()
		report.Trials = append(report.Trials, t)
		o.tell(t)
	}
	dir, remove, err := o.place()
	if err != nil {
		return nil, err
	}
	defer remove()
	listeners, master, err := c.listeners(dir, tell)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, l := range listeners {
			l.port.Close()
		}
	}()
	if len(listeners) > 0 {
		main := Base(dir, "") + text(c.carry(dir, postfix.Receiving, services(listeners))) + "smtpd_tls_loglevel = 1\nsmtpd_peername_lookup = no\n"
		i, err := Create(dir, main, master+BaseServices)
		if err != nil {
			return nil, err
		}
		if err := c.stageFiles(dir); err != nil {
			return nil, fmt.Errorf("rehearsing: %w", err)
		}
		if err := i.Start(ctx, life); err != nil {
			return nil, err
		}
		defer i.Stop()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		w := &watch{path: i.LogPath()}
		go w.follow(ctx)
		busy := make(chan struct{}, 4)
		var wg sync.WaitGroup
		for _, l := range listeners {
			l.hellos = o.Hellos
			wg.Add(1)
			go func() {
				defer wg.Done()
				l.try(ctx, i, w, busy, tell)
			}()
		}
		wg.Wait()
		if err := context.Cause(ctx); err != nil {
			return nil, fmt.Errorf("rehearsing: %w", err)
		}
	}
	report.sort(c)
	report.Took = time.Since(began)
	return report, nil
}

// life is how long a private instance runs at most, even if this process dies.
const life = 2 * time.Minute

// listener is one listener of the candidate with its private twin.
type listener struct {
	check     plan.Check
	service   mastercf.Service
	candidate Candidate
	name      string // syslog_name
	port      *Port
	hellos    []Seen
}

func (l *listener) side() side {
	return side{program: "smtpd", candidate: l.candidate, service: l.service}
}

func services(all []*listener) (out []mastercf.Service) {
	for _, l := range all {
		out = append(out, l.service)
	}
	return out
}

// listeners returns the twins of the candidate's listeners and their entries in
// master.cf. A service that Postfix would not start is reported at once.
func (c Candidate) listeners(dir string, tell func(Trial)) (out []*listener, master string, err error) {
	for n, check := range c.Checks {
		s, ok := c.find(check.Service)
		if !ok {
			continue
		}
		if bad := refused(s); bad != "" {
			tell(stillborn(receiving, s, bad))
			continue
		}
		l := &listener{check: check, service: s, candidate: c, name: fmt.Sprintf("rehearsal%d", n)}
		command, err := c.command(dir, "smtpd", s, postfix.Receiving, setting{"syslog_name", l.name})
		if err != nil {
			return out, "", fmt.Errorf("rehearsing %s: %w", s.ID(), err)
		}
		if l.port, err = Reserve(); err != nil {
			return out, "", err
		}
		l.check.Addr = l.port.Addr
		out = append(out, l)
		master += fmt.Sprintf("%s inet n - n - 4 %s\n", l.port.Addr, command)
	}
	return out, master, nil
}

// find returns the service behind a check. For postscreen, which has no TLS settings
// of its own except the level, that is the smtpd to which it passes connections.
func (c Candidate) find(id string) (mastercf.Service, bool) {
	for _, s := range c.Config.Master.Services() {
		if s.ID() != id {
			continue
		}
		if s.Program() == "postscreen" {
			if behind, ok := c.Config.Master.Find(c.Config.Text(&s, "smtpd_service_name"), "pass"); ok {
				return behind, true
			}
		}
		return s, true
	}
	return mastercf.Service{}, false
}

// stillborn returns the trial of a service that Postfix would not start.
func stillborn(direction string, s mastercf.Service, bad string) Trial {
	return Trial{Direction: direction, Service: s.ID(), With: "the service", Text: "starting it", Verdict: Failed,
		Got: "it does not start", Cause: &Cause{Text: fmt.Sprintf("line %d of master.cf: %s", s.Line, bad), Question: "role"}}
}

// refused returns why a daemon would not start with an entry, or "".
func refused(s mastercf.Service) string {
	if s.Bad != "" {
		return s.Bad
	}
	for _, o := range s.Options {
		if o.Bad != "" {
			return o.Bad
		}
	}
	return ""
}

const receiving, sending = "receiving", "sending"

// try shakes hands with one listener as each client. The first shows whether the
// listener works at all.
func (l *listener) try(ctx context.Context, i *Instance, w *watch, busy chan struct{}, tell func(Trial)) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w.each(func(line string) { // do not wait for a daemon that died
		if who, text, ok := split(line); ok && strings.HasPrefix(who, l.name+"/") && isFatal(text) {
			cancel(errors.New("the daemon died"))
		}
	})
	if err := i.WaitFor(ctx, l.port.Addr); err != nil && ctx.Err() == nil {
		tell(Trial{Direction: receiving, Service: l.check.Service, With: "any client", Text: "connecting", Verdict: Failed, Got: err.Error(), Cause: l.unlogged("")})
		return
	}
	run := func(c client) bool {
		busy <- struct{}{}
		defer func() { <-busy }()
		got, want := c.run(ctx)
		t := Trial{Direction: receiving, Service: l.check.Service, With: c.name, Text: c.text, Got: got, Want: want, Verdict: Fine}
		switch want {
		case "":
		case seenLost:
			t.Verdict, t.Want = Noted, ""
		default:
			t.Verdict = Failed
			if t.Cause = l.cause(ctx, w, got); t.Cause == nil {
				t.Cause = l.unlogged(want)
			}
		}
		tell(t)
		return want == ""
	}
	all := l.clients()
	if !run(all[0]) && explain(w.of(l.name), l.side()) != nil {
		return // the others cannot do better
	}
	var wg sync.WaitGroup
	for _, c := range all[1:] {
		wg.Add(1)
		go func() { defer wg.Done(); run(c) }()
	}
	wg.Wait()
	for _, note := range remarks(w.of(l.name, "/tlsmgr"), l.side()) {
		tell(Trial{Direction: receiving, Service: l.check.Service, With: "its log", Text: "what Postfix logs about its settings", Verdict: Noted, Got: note.Text, Cause: &note})
	}
}

// cause waits for the log to say why a client failed: the daemons log through
// postlogd, which may lag behind. "no shared cipher" also comes from the clients that
// offer only old suites, so it only explains a failed handshake.
func (l *listener) cause(ctx context.Context, w *watch, got string) *Cause {
	elsewhere := func(line string) bool { return strings.Contains(line, "no shared cipher") }
	if strings.Contains(got, noHandshake) {
		elsewhere = func(string) bool { return false }
	}
	for range 50 {
		if c := explain(slices.DeleteFunc(w.of(l.name), elsewhere), l.side()); c != nil || errors.Is(context.Cause(ctx), context.Canceled) {
			return c
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

// What is promised, as prefixes of the expected result.
const (
	wantCertificate = "the configured certificate"
	wantFloor       = "a refusal: the minimum version is"
	wantExcluded    = "a refusal: excluded are"
	wantAsked       = "a request for a client certificate"
	wantUnasked     = "no request for a client certificate"
)

// unlogged returns why something is not as promised although Postfix logs nothing
// wrong.
func (l *listener) unlogged(want string) *Cause {
	is := func(promise string) bool { return strings.HasPrefix(want, promise) }
	switch {
	case is(wantCertificate):
		return l.side().because("a different certificate is presented", "smtpd_tls_chain_files")
	case is(wantFloor) && l.mandatory():
		return l.side().because("a TLS version below the minimum is accepted", "smtpd_tls_mandatory_protocols")
	case is(wantFloor):
		return l.side().because("a TLS version below the minimum is accepted", "smtpd_tls_protocols")
	case is(wantExcluded):
		return l.side().because("suites that the profile excludes are accepted", "smtpd_tls_exclude_ciphers")
	case is(wantAsked), is(wantUnasked):
		return l.side().because("requests for a client certificate do not follow the setting", "smtpd_tls_ask_ccert")
	}
	return l.side().because("Postfix's log does not say why", "")
}

// sort puts the trials in the order of the checks and of the clients.
func (r *Report) sort(c Candidate) {
	order := []string{"greeting", "modern", "no SNI", "other SNI", "TLS 1.2 RSA", "TLS 1.2 ECDSA", "TLS 1.2", "TLS 1.0/1.1", "anonymous", "old suites", "slow", "aborts"}
	slices.SortStableFunc(r.Trials, func(a, b Trial) int {
		place := func(t Trial) int {
			at := slices.IndexFunc(c.Checks, func(c plan.Check) bool { return c.Service == t.Service })
			client := slices.Index(order, t.With)
			if client < 0 {
				client = len(order)
			}
			return at*100 + client
		}
		return place(a) - place(b)
	})
}
