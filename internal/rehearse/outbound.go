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
	"slices"
	"strings"
	"sync"
	"time"

	"postseal/internal/hint"
	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
	"postseal/internal/sink"
)

// Levels are the levels of a matrix, from loose to strict (postconf(5),
// smtp_tls_security_level).
var Levels = []string{"none", "may", "encrypt", "fingerprint", "dane", "dane-only", "verify", "secure"}

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
		policy = "match=" + strings.Join(postfix.TLSList(c.Config.Text(&r.service, parameter)), ":")
	}
	if h := matched(policy, r.to.Domain); h != "" {
		r.host = h
	}
	if r.wrapper = r.wraps(); r.wrapper {
		r.servers = slices.DeleteFunc(slices.Clone(to), func(s server) bool {
			return slices.Contains([]string{"starttls-refused", "starttls-cut", "stripped"}, s.name)
		})
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
	wrapper   bool // its TLS begins with the first byte
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
		server := &sink.Server{Behaviour: b, Host: r.host, Implicit: r.wrapper, Identities: r.ids, Told: r.told}
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
const collectTime = 45 * time.Second

// collect reads out of the log what became of each message. One that was held
// back at a level that demands no TLS is watched until it is tried again: it may
// go in clear text then.
func (r *run) collect(ctx context.Context, w *watch, all []*delivery, o Options) ([]Trial, error) {
	deadline, patience := time.Now().Add(collectTime), time.Now().Add(collectTime/3)
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
