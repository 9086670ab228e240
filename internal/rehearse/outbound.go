package rehearse

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/smtp"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
	"postseal/internal/sink"
)

// Levels are the levels of a matrix, from loose to strict (postconf(5),
// smtp_tls_security_level).
var Levels = []string{"none", "may", "encrypt", "fingerprint", "dane", "dane-only", "verify", "secure"}

// Destination is where a rehearsal sends to. The zero value is a made-up one.
type Destination struct {
	// Domain is what the mail is for.
	Domain string
	// Policy is an entry as in smtp_tls_policy_maps: "secure match=.example.com".
	Policy string
}

// server is one kind of server that is sent to.
type server struct {
	name, text string
	// behaviour is that of the sink; anonymous is for a Postfix without a
	// certificate, which no sink can play.
	behaviour string
	// tlsa is the certificate that the zone has a record of.
	tlsa sink.Certificate
	// policy is an entry for the destination; %s is the name of the host.
	policy string
}

const anonymous = "anonymous"

// upright are the servers that do everything right: to one of them mail has to
// go, by whatever service.
var upright = []string{"trusted", "dane-right"}

// played tells whose the MTA-STS policies are: Postfix asks for none itself.
const played = ", played here: Postfix fetches none without a policy service in smtp_tls_policy_maps"

// servers are those that a table is made of.
var servers = func() (out []server) {
	for _, b := range sink.Behaviours {
		out = append(out, server{name: b.Name, text: b.Text, behaviour: b.Name})
	}
	return append(out,
		server{name: Anonymous.Name, text: Anonymous.Text, behaviour: anonymous},
		server{name: "dane-right", text: "a signed TLSA record that names its certificate", behaviour: "self-signed", tlsa: sink.SelfSigned},
		server{name: "dane-wrong", text: "a signed TLSA record that names another certificate", behaviour: "self-signed", tlsa: sink.Good},
		server{name: "dane-no-starttls", text: "a signed TLSA record, and no TLS", behaviour: "no-starttls", tlsa: sink.Good},
		server{name: "sts-right", text: "an MTA-STS policy that names it" + played, behaviour: "trusted", policy: "secure match=%s"},
		server{name: "sts-wrong", text: "an MTA-STS policy that names another host" + played, behaviour: "wrong-name", policy: "secure match=%s"},
	)
}()

// delivery is one message on its way: to one server, at one level.
type delivery struct {
	server
	level string // empty: as configured
	name  string // of the transport, and of the message's sender
	addr  string // host:port of the server
}

// Send starts a private Postfix with the candidate's settings for sending, and
// has it mail one message to each kind of server, at each of the levels; without
// levels, at the one that is configured. It needs root.
func Send(ctx context.Context, c Candidate, levels []string, to Destination, o Options) (*Report, error) {
	s, ok := c.sender()
	if !ok {
		return nil, hint.New("rehearsing: master.cf has no service smtp/unix that runs smtp, so nothing here sends mail", "look into master.cf")
	}
	return c.send(ctx, s, servers, levels, to, o)
}

// send is Send by one service, to some of the servers.
func (c Candidate) send(ctx context.Context, s mastercf.Service, to []server, levels []string, dest Destination, o Options) (*Report, error) {
	began := time.Now()
	r := &run{candidate: c, service: s, servers: to, to: dest, sessions: map[string]sink.Session{}}
	if dest.Domain == "" {
		r.to.Domain = "partner.example"
	} else {
		var err error
		if r.to.Domain, err = hop(dest.Domain); err != nil {
			return nil, err
		}
	}
	r.host, r.nexthop = "mx."+r.to.Domain, dest.Domain
	policy := dest.Policy
	if dest.Policy == "" { // what the level itself compares names with
		parameter := map[string]string{"verify": "smtp_tls_verify_cert_match", "secure": "smtp_tls_secure_cert_match"}[r.column(&delivery{})]
		policy = "match=" + strings.Join(words(c.Config.Text(&r.service, parameter)), ":")
	}
	if h := matched(policy, r.to.Domain); h != "" {
		r.host = h
	}
	if len(levels) == 0 {
		levels = []string{""}
	}
	if bad := refused(r.service); bad != "" {
		t := stillborn(sending, r.service, bad)
		t.Level = r.column(&delivery{})
		o.tell(t)
		return &Report{Trials: []Trial{t}, Took: time.Since(began)}, nil
	}
	report, err := r.all(ctx, levels, o)
	if ctx.Err() != nil {
		err = context.Cause(ctx) // not that a connection was closed, which is ours
	}
	if err != nil {
		return nil, fmt.Errorf("rehearsing: %w", err)
	}
	report.Took = time.Since(began)
	return report, nil
}

// hop is the domain, or the host, of a next hop as smtp_tls_policy_maps names
// it: "example.com", "[relay.example.com]:587" (postconf(5)).
func hop(text string) (string, error) {
	name, _, bracketed := strings.Cut(strings.TrimPrefix(text, "["), "]")
	if !bracketed || !strings.HasPrefix(text, "[") {
		name, _, _ = strings.Cut(text, ":")
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if _, err := netip.ParseAddr(name); err == nil || len(name) > 200 || !hostName.MatchString(name) {
		return "", hint.New(fmt.Sprintf("rehearsing: %.80q is no domain that mail can go to", text),
			"give a domain, with other letters as xn--..., or a next hop: [relay.example.com]:587")
	}
	return name, nil
}

// hostName is a name of letters, digits and hyphens (RFC 1123, section 2.1).
var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)

// matched is a host name that an entry's match= takes (postconf(5),
// smtp_tls_secure_cert_match), or empty.
func matched(policy, domain string) string {
	if pinned(policy) {
		return "" // the digest of a key
	}
	for _, word := range strings.Fields(policy) {
		list, ok := strings.CutPrefix(word, "match=")
		if !ok {
			continue
		}
		switch first, _, _ := strings.Cut(list, ":"); {
		case first == "nexthop":
			return domain
		case first == "hostname" || first == "dot-nexthop":
			return "mx." + domain
		case strings.HasPrefix(first, "."):
			return "mx" + first
		default:
			return first
		}
	}
	return ""
}

// pinned says whether an entry trusts a key, and no name (TLS_README,
// "fingerprint").
func pinned(policy string) bool {
	f := strings.Fields(policy)
	return len(f) > 0 && f[0] == "fingerprint"
}

// run is one rehearsal of sending.
type run struct {
	candidate Candidate
	service   mastercf.Service
	servers   []server
	to        Destination
	host      string // of the destination
	nexthop   string // as it was asked for
	addr      netip.Addr
	ids       *sink.Identities
	trusting  bool // the candidate trusts public CAs, and so the test CA
	ownCA     bool // it trusts CAs of its own choice, and not the public ones

	mu       sync.Mutex
	sessions map[string]sink.Session // the last one, by recipient
}

func (r *run) all(ctx context.Context, levels []string, o Options) (*Report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dir, remove, err := o.place()
	if err != nil {
		return nil, err
	}
	defer remove()
	// Away from 127.0.0.1, where Postfix would see itself; nobody else's.
	r.addr = netip.AddrFrom4([4]byte{127, byte(64 + rand.IntN(128)), byte(rand.IntN(256)), byte(1 + rand.IntN(254))})
	if r.ids, err = sink.NewIdentities(r.host); err != nil {
		return nil, err
	}
	z := &zone{domain: r.to.Domain, host: r.host, addr: r.addr, validates: r.candidate.Validates, tlsa: map[string]string{}}
	var sinks sync.WaitGroup
	defer sinks.Wait()
	defer cancel()
	dns, s, err := z.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	var addrs map[string]string
	var port *Port
	err = s.do(func() error {
		addrs, port, err = r.listen(ctx, z, &sinks)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer port.Close()
	z.serve(ctx, dns)
	all := r.deliveries(levels, addrs)
	report := &Report{}
	if !r.candidate.Validates && slices.ContainsFunc(all, func(d *delivery) bool { return strings.HasPrefix(r.level(d), "dane") }) {
		report.Notes = append(report.Notes, "the resolver of this server does not validate DNSSEC: dane protects no more than may, and dane-only sends nothing")
	}
	login, note := r.credentials(ctx)
	if note != "" {
		report.Notes = append(report.Notes, note)
	}
	if pinned(r.to.Policy) {
		report.Notes = append(report.Notes, "the key that the policy pins is that of the trusted server here; whether it is the destination's is not tried")
	}
	var i *Instance
	var entry *Port
	err = s.do(func() error {
		i, entry, err = r.create(dir, login, all, addrs[anonymous], report)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer entry.Close()
	if err := s.do(func() error { return i.Start(ctx, life) }); err != nil {
		return nil, err
	}
	defer i.Stop()
	w := &watch{path: i.LogPath()}
	go w.follow(ctx)
	err = s.do(func() error {
		if err := i.WaitFor(ctx, entry.Addr); err != nil {
			return err
		}
		return r.post(ctx, entry.Addr, all)
	})
	if err != nil {
		return nil, err
	}
	report.Trials, err = r.collect(ctx, w, all, o)
	return report, err
}

// listen starts a sink for each kind of server, and takes a port for the one
// that is a Postfix. The records of the zone go with the ports.
func (r *run) listen(ctx context.Context, z *zone, sinks *sync.WaitGroup) (addrs map[string]string, anonymousPort *Port, err error) {
	addrs = map[string]string{}
	for _, s := range r.servers {
		if s.behaviour == anonymous {
			continue
		}
		b, ok := sink.Named(s.behaviour)
		if !ok {
			return nil, nil, fmt.Errorf("no sink behaves as %s", s.behaviour)
		}
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", netip.AddrPortFrom(r.addr, 0).String())
		if err != nil {
			return nil, nil, err
		}
		addrs[s.name] = l.Addr().String()
		if s.tlsa != "" {
			_, port, _ := net.SplitHostPort(addrs[s.name])
			if z.tlsa[port], err = r.ids.TLSA(s.tlsa); err != nil {
				return nil, nil, err
			}
		}
		server := &sink.Server{Behaviour: b, Host: r.host, Identities: r.ids, Told: r.told}
		sinks.Add(1)
		go func() {
			defer sinks.Done()
			_ = server.Serve(ctx, l)
		}()
	}
	p, err := reserve(r.addr)
	if err != nil {
		return nil, nil, err
	}
	addrs[anonymous] = p.Addr
	return addrs, p, nil
}

func (r *run) told(s sink.Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, to := range s.Recipients {
		r.sessions[to] = s
	}
}

func (r *run) deliveries(levels []string, addrs map[string]string) (out []*delivery) {
	for _, level := range levels {
		for _, s := range r.servers {
			if r.to.Policy != "" && s.policy != "" {
				continue // the destination has a policy of its own
			}
			d := &delivery{server: s, level: level, name: fmt.Sprintf("s%d", len(out)), addr: addrs[s.name]}
			if s.behaviour == anonymous {
				d.addr = addrs[anonymous]
			}
			out = append(out, d)
		}
	}
	return out
}

// quick are settings by which a message that is held back is tried again
// within seconds (postconf(5), minimal_backoff_time and queue_run_delay).
var quick = []setting{
	{"minimal_backoff_time", "1s"}, {"maximal_backoff_time", "1s"}, {"queue_run_delay", "1s"},
	{"smtp_connect_timeout", "5s"}, {"smtp_helo_timeout", "5s"}, {"smtp_starttls_timeout", "5s"}, {"smtp_quit_timeout", "1s"},
	{"smtp_mail_timeout", "5s"}, {"smtp_rcpt_timeout", "5s"}, {"smtp_data_init_timeout", "5s"}, {"smtp_data_done_timeout", "5s"},
	{"default_destination_concurrency_failed_cohort_limit", "0"}, {"smtp_tls_loglevel", "1"}, {"smtp_host_lookup", "dns"},
}

// create lays the private sender out: one transport for each delivery.
func (r *run) create(dir string, login bool, all []*delivery, anonymousAddr string, report *Report) (*Instance, *Port, error) {
	c := r.candidate
	settings := c.carry(dir, postfix.Sending, []mastercf.Service{r.service})
	mine := slices.Clone(quick)
	switch support := c.Config.Text(&r.service, "smtp_dns_support_level"); support {
	case "disabled":
		report.Notes = append(report.Notes, "smtp_dns_support_level is disabled; the rehearsal needs DNS, and has it enabled")
	default:
		mine = append(mine, setting{"smtp_dns_support_level", support})
	}
	if login {
		mine = append(mine, setting{"smtp_sasl_auth_enable", "yes"}, setting{"smtp_sasl_password_maps", "static:rehearsal:none"})
	}
	jail := ""
	if detect.Chrooted(c.Config, r.service) {
		jail = c.Config.Text(nil, "queue_directory")
	}
	store, note := c.trust(r.service, jail, r.ids.RootPEM)
	r.trusting = strings.Contains(string(store), r.ids.RootPEM)
	r.ownCA = len(store) > 0 && !r.trusting
	if note != "" {
		report.Notes = append(report.Notes, note)
	}
	if len(store) > 0 {
		mine = append(mine, setting{"smtp_tls_CAfile", filepath.Join(dir, "files", "ca.pem")})
	}
	// The folder of the live server is not in the private jail.
	mine = append(mine, setting{"smtp_tls_CApath", ""})
	if c.Config.Bool(&r.service, "smtp_tls_wrappermode") {
		report.Notes = append(report.Notes, "smtp_tls_wrappermode is on, for a relay with TLS from the first byte; the servers of the rehearsal are sent to with STARTTLS")
	}
	mine = append(mine, setting{"smtp_tls_wrappermode", "no"})
	anchors := c.anchors(r.service)
	if len(anchors) > 0 {
		mine = append(mine, setting{"smtp_tls_trust_anchor_file", "/etc/anchors.pem"})
	}
	var route, master strings.Builder
	for _, d := range all {
		_, port, err := net.SplitHostPort(d.addr)
		if err != nil {
			return nil, nil, err
		}
		fmt.Fprintf(&route, " { %s@rehearsal.invalid = %s: }", d.name, d.name)
		more := append([]setting{{"syslog_name", d.name}, {"smtp_tcp_port", port}}, own(mine, r.service)...)
		more = append(more, r.levelOf(d)...)
		command, err := c.command(dir, "smtp", r.service, postfix.Sending, more...)
		if err != nil {
			return nil, nil, err
		}
		fmt.Fprintf(&master, "%s unix - - y - - %s\n", d.name, command)
	}
	mine = append(mine, setting{"sender_dependent_default_transport_maps", "inline:{" + route.String() + " }"})
	entry, err := Reserve()
	if err != nil {
		return nil, nil, err
	}
	fmt.Fprintf(&master, "%s inet n - n - - smtpd\n", entry.Addr)
	master.WriteString(anonymousService(anonymousAddr, r.host) + "retry unix - - n - - error\n")
	settings = slices.DeleteFunc(settings, func(s setting) bool {
		return slices.ContainsFunc(mine, func(m setting) bool { return m.name == s.name })
	})
	i, err := Create(dir, Base(dir, "")+text(settings)+text(mine), master.String()+BaseServices)
	if err == nil {
		err = c.stageFiles(dir)
	}
	if err == nil && len(store) > 0 {
		err = os.WriteFile(filepath.Join(dir, "files", "ca.pem"), store, 0o600)
	}
	if err == nil { // smtp runs in a jail with our DNS in it, and reads anchors there
		err = errors.Join(os.MkdirAll(filepath.Join(dir, "queue", "etc"), 0o755),
			os.WriteFile(filepath.Join(dir, "queue", "etc", "resolv.conf"), fmt.Appendf(nil, "nameserver %s\noptions trust-ad timeout:1 attempts:2\n", r.addr), 0o644),
			os.WriteFile(filepath.Join(dir, "queue", "etc", "anchors.pem"), append(anchors, r.ids.RootPEM...), 0o644)) // certificates only
	}
	if err != nil {
		entry.Close()
		return nil, nil, err
	}
	return i, entry, nil
}

// own are the settings that a service would override with its own.
func own(all []setting, s mastercf.Service) []setting {
	return slices.DeleteFunc(slices.Clone(all), func(x setting) bool {
		_, overridden := s.Override(x.name)
		return !overridden
	})
}

// levelOf is what makes a delivery go at its level.
func (r *run) levelOf(d *delivery) (out []setting) {
	policy := r.to.Policy
	if d.policy != "" {
		policy = fmt.Sprintf(d.policy, r.host)
	}
	if pinned(policy) { // no server here has that key; the good one plays it
		policy = strings.Join(slices.DeleteFunc(strings.Fields(policy), func(word string) bool { return strings.HasPrefix(word, "match=") }), " ")
	}
	if policy != "" {
		out = append(out, setting{"smtp_tls_policy_maps", fmt.Sprintf("inline:{ { %s = %s } }", r.to.Domain, policy)})
	}
	if d.level != "" {
		out = append(out, setting{"smtp_tls_security_level", d.level})
	}
	switch level := r.column(d); level {
	case "dane", "dane-only":
		if d.level != "" {
			out = append(out, setting{"smtp_dns_support_level", "dnssec"})
		}
	case "fingerprint":
		good, err := r.ids.Certificate(sink.Good)
		if err == nil {
			out = append(out, setting{"smtp_tls_fingerprint_digest", "sha256"}, setting{"smtp_tls_fingerprint_cert_match", publicKeyDigest(good)})
		}
	}
	return out
}

// post hands the private sender one message for each delivery.
func (r *run) post(ctx context.Context, addr string, all []*delivery) error {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	c, err := smtp.NewClient(conn, "rehearsal.invalid")
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	for _, d := range all {
		if err := errors.Join(c.Mail(d.name+"@rehearsal.invalid"), c.Rcpt(r.recipient(d))); err != nil {
			return err
		}
		w, err := c.Data()
		if err != nil {
			return err
		}
		if _, err = fmt.Fprintf(w, "From: <%s@rehearsal.invalid>\r\nSubject: rehearsal\r\n\r\nTo a server with %s.\r\n", d.name, d.text); err == nil {
			err = w.Close()
		}
		if err != nil {
			return err
		}
	}
	return c.Quit()
}

func (r *run) recipient(d *delivery) string { return d.name + "@" + r.to.Domain }

// collectTime bounds how long is waited for what becomes of the messages.
const collectTime = 30 * time.Second

// collect reads out of the log what became of each message. One that was held
// back at a level that demands no TLS is watched until it is tried again: it may
// go in clear text then.
func (r *run) collect(ctx context.Context, w *watch, all []*delivery, o Options) ([]Trial, error) {
	deadline, patience := time.Now().Add(collectTime), time.Now().Add(collectTime/2)
	done := map[string]Trial{}
	for {
		for _, d := range all {
			if _, ok := done[d.name]; ok {
				continue
			}
			if t, ok := r.result(w, d, time.Now().After(patience)); ok {
				done[d.name] = t
				o.tell(t)
			}
		}
		if len(done) == len(all) {
			break
		}
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		if time.Now().After(deadline) {
			waiting := slices.DeleteFunc(slices.Clone(all), func(d *delivery) bool { _, ok := done[d.name]; return ok })
			return nil, fmt.Errorf("%d messages of %d came to no end in %s, the first is for %s: %q; the log ends with %q", len(waiting), len(all), collectTime, waiting[0].server.name, w.of(waiting[0].name+"/"), w.last(8))
		}
		time.Sleep(10 * time.Millisecond)
	}
	var out []Trial
	for _, d := range all {
		out = append(out, done[d.name])
	}
	return out, nil
}

// attempt is one try to deliver, as the log has it.
type attempt struct {
	class  string // of the TLS connection, or empty
	status string // sent, deferred, bounced
	reason string
	lines  []string
}

// attempts takes the log of a transport apart (bounce and trace lines are of
// other programs).
func attempts(lines []string) (out []attempt) {
	var now attempt
	for _, l := range lines {
		now.lines = append(now.lines, l)
		if class, rest, ok := strings.Cut(l, " TLS connection established to "); ok && rest != "" && !strings.Contains(class, " ") {
			now.class = class
		}
		_, rest, ok := strings.Cut(l, ", status=")
		if !ok {
			continue
		}
		now.status, rest, _ = strings.Cut(rest, " ")
		now.reason = strings.TrimSuffix(strings.TrimPrefix(rest, "("), ")")
		out = append(out, now)
		now = attempt{}
	}
	return out
}

const cannotStart = "Cannot start TLS"

// fellBack says whether TLS was tried, or begun, before the message went without
// (smtp.h in the source, PLAINTEXT_FALLBACK_OK_AFTER_...).
func (a attempt) fellBack() bool {
	return a.class != "" || slices.ContainsFunc(a.lines, func(l string) bool { return strings.Contains(l, cannotStart) })
}

// result is what became of a delivery; ok is false while that is not known. With
// late, a message that should have been tried again by now is not waited for.
func (r *run) result(w *watch, d *delivery, late bool) (t Trial, ok bool) {
	lines := w.of(d.name + "/")
	tries := attempts(lines)
	t = Trial{Direction: sending, Service: r.service.ID(), With: d.server.name, Text: d.text, Level: r.column(d), Verdict: Fine}
	level := r.level(d)
	for _, l := range lines {
		if isFatal(l) {
			t.Outcome, t.Got = Held, "not tried: the daemon died"
			if t.Cause = explain(lines, r.side()); t.Cause == nil {
				t.Cause = r.unlogged(level)
			}
			t.Verdict, t.Want = Failed, "a delivery, or a reason against it"
			return t, true
		}
	}
	if len(tries) == 0 {
		return t, false
	}
	if !late && tries[len(tries)-1].status == "sent" && !r.heard(d) {
		return t, false // the server tells when the client has left
	}
	first := tries[0]
	t.Outcome = r.outcome(d, first)
	switch {
	case t.Outcome == InClear && first.fellBack():
		// A busy machine: the message was old enough at its first attempt.
		t.Outcome, t.Clear = Held, r.fallBack()
		if first.reason = "lost connection"; first.class == "" {
			first.reason = cannotStart
		}
	case t.Outcome == Held && opportunistic(level):
		switch {
		case len(tries) < 2 && !late:
			return t, false
		case len(tries) < 2: // a machine that stands still: the rest of the table counts
			t.Reply, t.Got = first.reason, describe(t, first, level)+"; it was not tried again while we watched"
			t.Verdict = Noted
			return t, true
		case r.outcome(d, tries[1]) == InClear:
			t.Clear = r.fallBack()
		}
	}
	t.Reply = first.reason
	t.Got = describe(t, first, level)
	if d.policy != "" {
		t.Got += "; its policy is played here"
	}
	r.judge(&t, d, first, level)
	return t, true
}

// heard says whether the server has told of the message, if it is one that does.
func (r *run) heard(d *delivery) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, seen := r.sessions[r.recipient(d)]
	return seen || d.behaviour == anonymous
}

// outcome of one attempt: the sink's word counts before the log's.
func (r *run) outcome(d *delivery, a attempt) Outcome {
	if a.status != "sent" {
		return Held
	}
	r.mu.Lock()
	s, seen := r.sessions[r.recipient(d)]
	r.mu.Unlock()
	switch {
	case a.class == "Verified":
		return Verified
	case seen && s.Encrypted() || !seen && a.class != "":
		return Encrypted
	}
	return InClear
}

// opportunistic says whether a level may go on without TLS.
func opportunistic(level string) bool { return level == "may" || level == "dane" }

// level is the one that a delivery goes at, in the end.
func (r *run) level(d *delivery) string {
	if f := strings.Fields(d.policy); len(f) > 0 {
		return f[0]
	}
	return r.column(d)
}

// column is the level that the servers without a policy of their own get.
func (r *run) column(d *delivery) string {
	switch f := strings.Fields(r.to.Policy); {
	case len(f) > 0:
		return f[0]
	case d.level != "":
		return d.level
	}
	return detect.ClientLevel(func(name string) string { return r.candidate.Config.Text(&r.service, name) })
}

func (r *run) side() side { return side{"smtp", r.candidate.Config, r.service, r.to.Policy} }

// fallBack says after how long the server itself would send in clear text what
// TLS kept back, during the handshake or after it: at the first try once the message is
// minimal_backoff_time old, and the queue is looked through every
// queue_run_delay (smtp_proto.c and qmgr(8)).
func (r *run) fallBack() string {
	get := func(name string) string {
		if v := r.candidate.Config.Text(nil, name); v != "" {
			return v
		}
		return "300s"
	}
	return fmt.Sprintf("when it is %s old (minimal_backoff_time; the queue is looked through every %s)", get("minimal_backoff_time"), get("queue_run_delay"))
}

// describe says in words how a message went.
func describe(t Trial, a attempt, level string) string {
	switch t.Outcome {
	case Verified:
		return "delivered, verified"
	case Encrypted:
		if a.class == "Trusted" {
			return "delivered encrypted; its CA is known, its name not compared"
		}
		return "delivered encrypted, to whom is not proved"
	case InClear:
		return "delivered in clear"
	}
	text := "held back: " + reason(a, level)
	if t.Clear != "" {
		text += "; goes in clear " + t.Clear
	}
	return text
}

// reasons are words for what smtp(8) says, or its TLS library.
var reasons = [][2]string{
	{"hostname mismatch", "its certificate is for another name"},
	{"no matching DANE TLSA records", "no TLSA record names its certificate"},
	{"self-signed certificate", "nobody vouches for its certificate"},
	{"self signed certificate", "nobody vouches for its certificate"},
	{"certificate has expired", "its certificate has expired"},
	{"untrusted issuer", "the CA of its certificate is not trusted here"},
	{"but was not offered", "it offers no TLS, and the level demands it"},
	{"refused to start TLS", "it refuses TLS, and the level demands it"},
	{"TLS engine is unavailable", "TLS cannot be started on this side"},
	{"Cannot start TLS", "no handshake comes about"},
	{"no TLSA records found", "it has no TLSA record"},
	{"lost connection", "it hangs up after the handshake"},
}

// reason is why a message was held back. What verification says comes in a
// line of its own.
func reason(a attempt, level string) string {
	said := a.reason
	for _, l := range a.lines {
		if _, why, ok := strings.Cut(l, "certificate verification failed for "); ok {
			if _, why, ok = strings.Cut(why, ": "); ok {
				said = why
			}
		}
	}
	if level == "fingerprint" && strings.Contains(said, "no matching DANE") { // the same code does both
		return "its key is not the one that is pinned"
	}
	for _, r := range reasons {
		if strings.Contains(said, r[0]) {
			return r[1]
		}
	}
	return said
}

// judge compares what came of a message with what its level promises.
func (r *run) judge(t *Trial, d *delivery, a attempt, level string) {
	fail := func(want string) {
		t.Verdict, t.Want = Failed, want
		if t.Cause = explain(a.lines, r.side()); t.Cause == nil {
			t.Cause = r.unlogged(level)
		}
	}
	authenticated := slices.Contains([]string{"verify", "secure", "fingerprint", "dane-only"}, level)
	dane := (level == "dane" || level == "dane-only") && r.candidate.Validates
	delivered := t.Outcome != Held
	switch {
	case t.Outcome == InClear && level != "none" && !opportunistic(level):
		fail("nothing in clear at level " + level)
	case delivered && authenticated && t.Outcome != Verified:
		fail("nothing without proof at level " + level)
	case dane && delivered && (d.server.name == "dane-wrong" || d.server.name == "dane-no-starttls"):
		fail("nothing against a TLSA record")
	case dane && d.server.name == "dane-right" && t.Outcome != Verified:
		fail("verified by its TLSA record")
	case d.server.name == "dane-right" && level == "dane-only" && !r.candidate.Validates && d.level == "":
		fail("a delivery to a server that does everything right")
		t.Cause = &Cause{Text: "the resolver of this server does not validate DNSSEC, and dane-only sends nothing without", Parameter: "smtp_tls_security_level", Question: "outbound-level"}
	case d.server.name == "trusted" && !delivered && r.ownCA && (level == "verify" || level == "secure"):
		t.Verdict = Noted
		t.Cause = &Cause{Text: "mail only goes to servers with a certificate of the CAs that are set; a public one is none of them", Parameter: "smtp_tls_CAfile", Question: "ca-file"}
	case d.server.name == "trusted" && !delivered && level != "dane-only":
		fail("a delivery to a server that does everything right")
	case d.server.name == "trusted" && t.Outcome == InClear && level != "none":
		fail("TLS with a server that does everything right")
	case d.server.name == "sts-right" && t.Outcome != Verified && !r.trusting:
		t.Verdict = Noted
		t.Cause = &Cause{Text: "without the public CAs no policy of this kind lets mail through", Parameter: "smtp_tls_CAfile", Question: "ca-file"}
	case d.server.name == "sts-right" && t.Outcome != Verified:
		fail("verified by its policy")
	case level != "none" && (d.server.name == "stripped" || d.server.name == "starttls-cut") && (t.Outcome == InClear || t.Clear != ""):
		t.Verdict = Noted
		t.Cause = &Cause{Text: "whoever is on the way can have mail to any server without a TLSA record or a policy sent like this", Question: "outbound-level"}
	}
}

// unlogged is why a message did not go as promised though Postfix finds nothing
// wrong with its settings.
func (r *run) unlogged(level string) *Cause {
	if !r.trusting && (level == "verify" || level == "secure") {
		return r.side().because("no public CA is trusted, so no server can prove who it is", "smtp_tls_CAfile")
	}
	return r.side().because("the level does not do what it promises", "smtp_tls_security_level")
}

// Table arranges the trials of sending by server and level, in their order.
func (r *Report) Table() (rows, levels []string, at map[[2]string]Trial) {
	at = map[[2]string]Trial{}
	seen := map[string]bool{}
	for _, t := range r.Trials {
		if t.Direction != sending {
			continue
		}
		at[[2]string{t.With, t.Level}] = t
		if !seen[t.With] {
			rows, seen[t.With] = append(rows, t.With), true
		}
		if !slices.Contains(levels, t.Level) {
			levels = append(levels, t.Level)
		}
	}
	return rows, levels, at
}

// publicKeyDigest is the SHA-256 of a certificate's public key, as fingerprint
// rules have it (TLS_README, "fingerprint").
func publicKeyDigest(c tls.Certificate) string {
	sum := sha256.Sum256(c.Leaf.RawSubjectPublicKeyInfo)
	var parts []string
	for _, b := range sum {
		parts = append(parts, fmt.Sprintf("%02X", b))
	}
	return strings.Join(parts, ":")
}
