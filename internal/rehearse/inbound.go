package rehearse

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"postseal/internal/detect"
	"postseal/internal/plan"
	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
	"postseal/internal/probe"
)

// Receive starts a private Postfix that has every listener of the candidate on
// a port of its own, and shakes hands with each as different clients do. An error is one of the rehearsal;
// what the candidate does wrong is in the report. It needs root.
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

// life is when a private instance ends by itself, whatever becomes of us.
const life = 2 * time.Minute

// listener is one listener of the candidate with its private twin.
type listener struct {
	check   plan.Check
	service mastercf.Service
	config  postfix.Config
	name    string // syslog_name
	port    *Port
}

func (l *listener) side() side { return side{program: "smtpd", config: l.config, service: l.service} }

func services(all []*listener) (out []mastercf.Service) {
	for _, l := range all {
		out = append(out, l.service)
	}
	return out
}

// listeners are the twins of the candidate's listeners, and their entries in
// master.cf. A service that no Postfix would start is told at once.
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
		l := &listener{check: check, service: s, config: c.Config, name: fmt.Sprintf("rehearsal%d", n)}
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

// find is the service behind a check. Behind a postscreen, which has no TLS
// settings of its own beside the level, it is the smtpd that it hands on to.
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

// stillborn is the trial of a service that no Postfix would start.
func stillborn(direction string, s mastercf.Service, bad string) Trial {
	return Trial{Direction: direction, Service: s.ID(), With: "the service", Text: "starting it", Verdict: Failed,
		Got: "it does not start", Cause: &Cause{Text: fmt.Sprintf("line %d of master.cf: %s", s.Line, bad), Question: "role"}}
}

// refused is why a daemon would not start with an entry, or empty.
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

// client is one kind of client.
type client struct {
	name, text string
	// run shakes hands, and says what should come of it; "" if nothing in
	// particular should.
	run func(ctx context.Context) (got, want string)
}

const receiving, sending = "receiving", "sending"

// try shakes hands with one listener as every client. The first shows whether
// there is anything to talk to.
func (l *listener) try(ctx context.Context, i *Instance, w *watch, busy chan struct{}, tell func(Trial)) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w.each(func(line string) { // nobody need wait for a daemon that died
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
		if want != "" {
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
		return // nothing better can come from the others
	}
	var wg sync.WaitGroup
	for _, c := range all[1:] {
		wg.Add(1)
		go func() { defer wg.Done(); run(c) }()
	}
	wg.Wait()
	for _, note := range remarks(w.of(l.name, "/tlsmgr"), l.side()) {
		tell(Trial{Direction: receiving, Service: l.check.Service, With: "its log", Text: "what Postfix says of its settings", Verdict: Noted, Got: note.Text, Cause: &note})
	}
}

// cause waits for the log to say why a client failed: the daemons write it
// through postlogd, which may be behind. That no suite was shared is so with
// clients that want one of their own; it explains nothing but a handshake.
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

// What is promised, as the beginnings of what should have come.
const (
	wantCertificate = "the certificate that is set"
	wantFloor       = "a refusal: the floor is"
	wantExcluded    = "a refusal: excluded is"
	wantAsked       = "a question for a client certificate"
	wantUnasked     = "no question for a client certificate"
)

// unlogged is why something is not as promised though Postfix finds nothing wrong.
func (l *listener) unlogged(want string) *Cause {
	is := func(promise string) bool { return strings.HasPrefix(want, promise) }
	switch {
	case is(wantCertificate):
		return l.side().because("another certificate is served than the one that is meant to be", "smtpd_tls_chain_files")
	case is(wantFloor) && l.mandatory():
		return l.side().because("a TLS version below the floor is taken", "smtpd_tls_mandatory_protocols")
	case is(wantFloor):
		return l.side().because("a TLS version below the floor is taken", "smtpd_tls_protocols")
	case is(wantExcluded):
		return l.side().because("suites are taken that the profile excludes", "smtpd_tls_exclude_ciphers")
	case is(wantAsked), is(wantUnasked):
		return l.side().because("whether clients are asked for a certificate is not as it is set", "smtpd_tls_ask_ccert")
	}
	return l.side().because("Postfix's log does not say why", "")
}

// clients are the clients that make sense at this listener.
func (l *listener) clients() []client {
	if l.check.Mode == plan.GreetOnly {
		return []client{{"greeting", "a client without TLS, where TLS is off", func(ctx context.Context) (string, string) {
			if _, err := probe.Greet(ctx, l.target(), probe.Options{}); err != nil {
				return failure(err), "a greeting"
			}
			return "greets, without TLS", ""
		}}}
	}
	out := []client{
		{"modern", "a client of today", func(ctx context.Context) (string, string) {
			return l.meet(ctx, probe.Options{ServerName: l.config.Text(nil, "myhostname")})
		}},
		{"no SNI", "a client that names no server", func(ctx context.Context) (string, string) {
			return l.meet(ctx, probe.Options{})
		}},
		{"other SNI", "a client that names another server", func(ctx context.Context) (string, string) {
			return l.meet(ctx, probe.Options{ServerName: "elsewhere.invalid"})
		}},
		{"TLS 1.0/1.1", "a client of before 2008", l.old},
		{"anonymous", "a client that wants no certificate", l.anonymous},
		{"old suites", "a client that has only suites that are excluded", l.oldSuites},
		{"aborts", "a client that leaves in the middle of a handshake", l.aborted},
		{"slow", "a client that sends its hello in pieces", func(ctx context.Context) (string, string) {
			return l.meet(ctx, probe.Options{Dial: slowly(150 * time.Millisecond)})
		}},
	}
	if l.check.Floor != "TLSv1.3" {
		for _, kind := range []string{"RSA", "ECDSA"} {
			out = append(out, client{"TLS 1.2 " + kind, "a TLS 1.2 client that takes " + kind + " only", func(ctx context.Context) (string, string) {
				return l.kind(ctx, kind)
			}})
		}
	} else {
		out = append(out, client{"TLS 1.2", "a client that has no TLS 1.3", func(ctx context.Context) (string, string) {
			return l.below(ctx, tls.VersionTLS12, tls.VersionTLS12)
		}})
	}
	if len(l.suites()) == 0 {
		out = slices.DeleteFunc(out, func(c client) bool { return c.name == "old suites" })
	}
	return out
}

// target is the twin. Behind a postscreen it is the smtpd that has to be
// greeted by the proxy protocol, or not.
func (l *listener) target() probe.Target {
	return probe.Target{Addr: l.port.Addr, Implicit: l.check.Mode == plan.Implicit, Proxy: l.config.Text(&l.service, "smtpd_upstream_proxy_protocol") != ""}
}

// meet shakes hands, and compares what is seen with what is promised.
func (l *listener) meet(ctx context.Context, o probe.Options) (got, want string) {
	r, err := probe.Handshake(ctx, l.target(), o)
	var e *probe.Error
	if errors.As(err, &e) && l.demands() && (e.Stage == probe.Inside ||
		e.Stage == probe.Greeting && l.check.Mode == plan.Implicit && strings.Contains(err.Error(), "client certificate")) {
		return "asked for a client certificate, and hung up on without one", ""
	}
	if err != nil {
		return failure(err), "a handshake"
	}
	return l.compare(r, o.ServerName)
}

// compare sets what a client got against what is promised. Where a table has
// certificates by name, a client that names one may get another certificate.
func (l *listener) compare(r probe.Result, named string) (got, want string) {
	kind := algorithm(r)
	got = agreed(r) + ", " + kind + " certificate"
	if leaf := r.Certs[0]; len(leaf.DNSNames) > 0 {
		got += " of " + leaf.DNSNames[0]
	}
	byName := named != "" && l.config.Text(&l.service, "tls_server_sni_maps") != ""
	if promised := l.check.Serves; len(promised) > 0 && !byName && promised[kind] != r.Fingerprint() {
		return got, wantCertificate + ": " + strings.Join(slices.Sorted(maps.Keys(promised)), " and ")
	}
	if r.AsksCertificate != l.asks() {
		if r.AsksCertificate {
			return got + ", asks for a client certificate", wantUnasked
		}
		return got, wantAsked
	}
	if r.AsksCertificate {
		got += ", asks for a client certificate"
	}
	return got, ""
}

// agreed says in short what was agreed: with TLS 1.3 the group tells more than
// the suite.
func agreed(r probe.Result) string {
	if r.Version == "TLS 1.3" && r.Group != "" {
		return r.Version + " " + r.Group
	}
	return r.Version + " " + strings.Replace(strings.TrimPrefix(r.Suite, "TLS_"), "_WITH_", "_", 1)
}

// asks says whether a client is asked for a certificate (postconf(5),
// smtpd_tls_ask_ccert, smtpd_tls_req_ccert).
func (l *listener) asks() bool {
	return l.config.Bool(&l.service, "smtpd_tls_ask_ccert") || l.demands()
}

// demands says whether a client must have a certificate: only where TLS is
// demanded too.
func (l *listener) demands() bool {
	if !l.config.Bool(&l.service, "smtpd_tls_req_ccert") {
		return false
	}
	return l.mandatory()
}

// mandatory says whether the mandatory parameters count at this listener.
func (l *listener) mandatory() bool {
	return detect.ServerLevel(func(name string) string { return l.config.Text(&l.service, name) }) == "encrypt"
}

// kind is a TLS 1.2 client that takes one kind of certificate only.
func (l *listener) kind(ctx context.Context, kind string) (got, want string) {
	o := probe.Options{Algorithm: kind, MinVersion: tls.VersionTLS12}
	if l.check.Serves[kind] != "" || len(l.check.Serves) == 0 {
		if len(l.check.Serves) > 0 {
			return l.meet(ctx, o)
		}
		r, err := probe.Handshake(ctx, l.target(), o)
		if err != nil {
			return failure(err), ""
		}
		return agreed(r), ""
	}
	r, err := probe.Handshake(ctx, l.target(), o)
	if err != nil {
		return "refused: there is no " + kind + " certificate", ""
	}
	if l.check.Serves[algorithm(r)] != "" { // Ed25519 has the suites of ECDSA (RFC 8422, section 5.10)
		return l.compare(r, "")
	}
	return agreed(r) + ", " + algorithm(r) + " certificate", wantCertificate + ", which is not of " + kind
}

// old is a client that has TLS 1.0 and 1.1 only.
func (l *listener) old(ctx context.Context) (got, want string) {
	return l.below(ctx, tls.VersionTLS10, tls.VersionTLS11)
}

// below is a client that has only versions of before a floor.
func (l *listener) below(ctx context.Context, lowest, highest uint16) (got, want string) {
	r, err := probe.Handshake(ctx, l.target(), probe.Options{MinVersion: lowest, MaxVersion: highest})
	floor, _ := postfix.ParseFloor(">="+l.check.Floor, postfix.V(3, 6, 0))
	refuse := floor == postfix.TLSv12 || floor == postfix.TLSv13
	switch {
	case err != nil && refuse:
		return "refused, as intended", ""
	case err != nil:
		return failure(err), ""
	case refuse:
		return agreed(r), wantFloor + " " + l.check.Floor
	}
	return agreed(r), ""
}

// anonymous is a client that offers suites without a certificate only.
func (l *listener) anonymous(ctx context.Context) (got, want string) {
	taken, err := probe.Anonymous(ctx, l.target(), probe.Options{})
	excluded := slices.Contains(l.check.Excludes, "aNULL")
	switch {
	case err != nil:
		return failure(err), "an answer to its hello"
	case taken && excluded:
		return "taken, without any certificate", wantExcluded + " aNULL"
	case taken:
		return "taken, without any certificate", ""
	case excluded:
		return "refused, as intended", ""
	}
	return "refused", ""
}

// suites are the classes of suites that must not be taken, but for those without
// a certificate, which have a client of their own.
func (l *listener) suites() []string {
	return slices.DeleteFunc(slices.Clone(l.check.Excludes), func(class string) bool { return class == "aNULL" || !probe.Known(class) })
}

// oldSuites is a client that offers what is excluded only. The one that is taken
// tells which class is not.
func (l *listener) oldSuites(ctx context.Context) (got, want string) {
	classes := l.suites()
	taken, suite, err := probe.Offer(ctx, l.target(), probe.Options{}, classes...)
	switch {
	case err != nil:
		return failure(err), "an answer to its hello"
	case taken:
		in := slices.DeleteFunc(slices.Clone(classes), func(class string) bool { return !suite.In(class) })
		return "taken, with " + suite.OpenSSL, wantExcluded + " " + strings.Join(in, ", ")
	}
	return "refused, as intended", ""
}

// aborted leaves in the middle of a handshake, and sees whether the next client
// is served.
func (l *listener) aborted(ctx context.Context) (got, want string) {
	if err := probe.Abort(ctx, l.target(), probe.Options{}); err != nil {
		return failure(err), "STARTTLS"
	}
	if got, want := l.meet(ctx, probe.Options{}); want != "" {
		return "the next client: " + got, want
	}
	return "the next client is served", ""
}

const noHandshake = "no handshake"

// failure says in words how a conversation failed. What the server said is
// quoted.
func failure(err error) string {
	var e *probe.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	switch e.Stage {
	case probe.Connecting, probe.Greeting:
		if errors.Is(e.Err, os.ErrDeadlineExceeded) || errors.Is(e.Err, context.Canceled) {
			return "no greeting"
		}
		return fmt.Sprintf("no greeting: %v", e.Err)
	case probe.STARTTLS:
		if errors.Is(e.Err, probe.ErrNotOffered) {
			return "STARTTLS is not offered"
		}
		return fmt.Sprintf("STARTTLS is refused: %v", e.Err)
	case probe.Handshaking:
		return fmt.Sprintf("%s: %v", noHandshake, e.Err)
	}
	return fmt.Sprintf("%s: %v", e.Stage, e.Err)
}

func algorithm(r probe.Result) string {
	switch r.Certs[0].PublicKeyAlgorithm.String() {
	case "RSA":
		return "RSA"
	case "ECDSA":
		return "ECDSA"
	}
	return "Ed25519"
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
