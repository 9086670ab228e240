package lab

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Zone is a signed zone that can be changed, with a real resolver (unbound)
// that validates it. It signs each answer when it is asked for.
type Zone struct {
	// Resolver is the address of the resolver.
	Resolver string
	name     string
	key      *dns.DNSKEY
	signer   crypto.Signer
	config   string

	mu     sync.Mutex
	rr     map[string]map[uint16][]dns.RR
	broken bool
	fixed  bool            // where the resolver is
	spoilt map[string]bool // "name type" whose signatures, or denials, are wrong
	plain  []string        // delegations that are not signed
}

// NewZone serves a zone, "test." say, until the test ends.
func NewZone(t testing.TB, name string) *Zone {
	t.Helper()
	return NewZoneAt(t, name, "")
}

// NewZoneAt is NewZone with the resolver at a certain address and port.
func NewZoneAt(t testing.TB, name, resolver string) *Zone {
	t.Helper()
	Need(t, "unbound", "unbound-control")
	z := &Zone{Resolver: resolver, fixed: resolver != "", name: dns.Fqdn(name), rr: map[string]map[uint16][]dns.RR{}, spoilt: map[string]bool{}}
	z.key = &dns.DNSKEY{Hdr: dns.RR_Header{Name: z.name, Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 300}, Flags: 257, Protocol: 3, Algorithm: dns.ECDSAP256SHA256}
	private, err := z.key.Generate(256)
	if err != nil {
		t.Fatal(err)
	}
	z.signer = private.(crypto.Signer)
	z.Set(z.key.String(), z.name+" 300 IN SOA ns."+z.name+" hostmaster."+z.name+" 1 7200 900 1209600 300", z.name+" 300 IN NS ns."+z.name, "ns."+z.name+" 300 IN A 127.0.0.1")
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: z}
	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.Shutdown() })
	z.resolve(t, conn.LocalAddr().(*net.UDPAddr).Port)
	return z
}

// resolve starts unbound for the zone. Between the choice of its port and its
// start another program can take the port; unbound ends then, and another is
// tried.
func (z *Zone) resolve(t testing.TB, port int) {
	t.Helper()
	var err error
	for range 3 {
		if err = z.start(t, port); err == nil {
			return
		}
	}
	t.Fatalf("unbound does not validate the zone: %v", err)
}

// freePort is a port of 127.0.0.1 that nobody has, by UDP and by TCP.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	u, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		return "", err
	}
	defer func() { _ = u.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

func (z *Zone) start(t testing.TB, port int) error {
	t.Helper()
	dir := t.TempDir()
	own, err := freePort()
	if err != nil {
		return err
	}
	if _, chosen, _ := net.SplitHostPort(z.Resolver); z.fixed {
		own = chosen
	}
	z.Resolver = net.JoinHostPort("127.0.0.1", own)
	z.config = filepath.Join(dir, "unbound.conf")
	text := fmt.Sprintf(`server:
  interface: 127.0.0.1@%s
  port: %s
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "%s"
  pidfile: ""
  use-syslog: no
  logfile: "%s/log"
  do-not-query-localhost: no
  local-zone: "%s" nodefault
  trust-anchor: "%s"
  access-control: 127.0.0.0/8 allow
  num-threads: 1
remote-control:
  control-enable: yes
  control-interface: %s/control
  control-use-cert: no
stub-zone:
  name: "%s"
  stub-addr: 127.0.0.1@%d
`, own, own, dir, dir, z.name, strings.ReplaceAll(z.key.String(), "\t", " "), dir, z.name, port)
	if err := os.WriteFile(z.config, []byte(text), 0o600); err != nil {
		return err
	}
	cmd := exec.Command("unbound", "-c", z.config)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	stop := func() {
		_ = cmd.Process.Kill()
		<-ended
	}
	if err := z.validates(ended); err != nil {
		stop()
		logged, _ := os.ReadFile(filepath.Join(dir, "log"))
		return fmt.Errorf("%w\n%s%s", err, said.String(), logged)
	}
	t.Cleanup(stop)
	return nil
}

// validates waits until the resolver vouches for the zone.
func (z *Zone) validates(ended <-chan struct{}) error {
	q := new(dns.Msg)
	q.SetQuestion(z.name, dns.TypeSOA)
	q.SetEdns0(1232, true)
	c := &dns.Client{Timeout: 500 * time.Millisecond}
	last := errors.New("it did not answer")
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); {
		r, _, err := c.Exchange(q, z.Resolver)
		switch {
		case err != nil:
			last = err
		case r.AuthenticatedData:
			return nil
		default:
			last = fmt.Errorf("it answers %s", r)
		}
		select {
		case <-ended:
			return fmt.Errorf("it ended: %w", last)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return last
}

// NameServers gives the zone servers that can be asked one by one, on port 53 of
// addresses of their own; the resolver asks the first.
func (z *Zone) NameServers(t testing.TB, names ...string) []*NameServer {
	t.Helper()
	NeedRoot(t)
	var out []*NameServer
	var records []string
	for _, name := range names {
		s := &NameServer{zone: z}
		var conn net.PacketConn
		var err error
		for range 20 {
			s.Addr = fmt.Sprintf("127.%d.%d.%d", 1+mathrand.IntN(250), mathrand.IntN(250), 1+mathrand.IntN(250))
			if conn, err = net.ListenPacket("udp", s.Addr+":53"); err == nil {
				break
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		server := &dns.Server{PacketConn: conn, Handler: s}
		go func() { _ = server.ActivateAndServe() }()
		t.Cleanup(func() { _ = server.Shutdown() })
		records = append(records, z.name+" 300 IN NS "+dns.Fqdn(name), dns.Fqdn(name)+" 300 IN A "+s.Addr)
		out = append(out, s)
	}
	z.Set(records...)
	return out
}

// NameServer is one authoritative server of a zone.
type NameServer struct {
	Addr string
	zone *Zone

	mu     sync.Mutex
	behind map[string]map[uint16][]dns.RR
	mute   bool
}

// Stop keeps the server at what the zone has now, as a secondary that does not receive
// it any more, or lets it follow again.
func (s *NameServer) Stop(stopped bool) {
	s.zone.mu.Lock()
	defer s.zone.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behind = nil
	if stopped {
		s.behind = map[string]map[uint16][]dns.RR{}
		for name, types := range s.zone.rr {
			s.behind[name] = maps.Clone(types)
		}
	}
}

// Mute makes the server answer SERVFAIL.
func (s *NameServer) Mute(mute bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mute = mute
}

// ServeDNS answers.
func (s *NameServer) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	s.zone.mu.Lock()
	defer s.zone.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mute {
		_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeServerFailure))
		return
	}
	now := s.zone.rr
	if s.behind != nil {
		s.zone.rr = s.behind
	}
	s.zone.answer(w, q)
	s.zone.rr = now
}

// SetQuietly is Set, and the resolver keeps what it knows.
func (z *Zone) SetQuietly(records ...string) {
	config := z.config
	z.config = ""
	z.Set(records...)
	z.config = config
}

// Set replaces the records of the names and types given, and lets the resolver
// forget what it knew. Nothing after the type removes them.
func (z *Zone) Set(records ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	fresh := map[string]bool{}
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			panic(err)
		}
		h := rr.Header()
		name := strings.ToLower(h.Name)
		if z.rr[name] == nil {
			z.rr[name] = map[uint16][]dns.RR{}
		}
		if id := name + dns.TypeToString[h.Rrtype]; !fresh[id] {
			fresh[id] = true
			z.rr[name][h.Rrtype] = nil
		}
		z.rr[name][h.Rrtype] = append(z.rr[name][h.Rrtype], rr)
	}
	z.flush()
}

// Remove takes all records of a name and type away.
func (z *Zone) Remove(name string, kind uint16) {
	z.mu.Lock()
	defer z.mu.Unlock()
	delete(z.rr[dns.Fqdn(strings.ToLower(name))], kind)
	z.flush()
}

// Break makes every signature wrong from now on, or right again.
func (z *Zone) Break(broken bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.broken = broken
	z.flush()
}

// Spoil makes the signatures of the records of one name and type wrong, or of the
// denial if there are none. What the resolver knows by then it does not forget.
func (z *Zone) Spoil(name string, kind uint16) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.spoilt[dns.Fqdn(strings.ToLower(name))+dns.TypeToString[kind]] = true
}

// Unsigned makes all that is under a name a zone of its own that is not signed.
func (z *Zone) Unsigned(name string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.plain = append(z.plain, dns.Fqdn(name))
	z.flush()
}

func (z *Zone) flush() {
	if z.config == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = exec.CommandContext(ctx, "unbound-control", "-c", z.config, "flush_zone", z.name).Run()
	_ = exec.CommandContext(ctx, "unbound-control", "-c", z.config, "flush_bogus").Run()
}

// ServeDNS answers, and signs. What is not there is denied by a record that
// says so of that one name (RFC 4470, and "black lies").
func (z *Zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.answer(w, q)
}

func (z *Zone) answer(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	m.Authoritative = true
	m.SetEdns0(1232, true)
	name, kind := strings.ToLower(q.Question[0].Name), q.Question[0].Qtype
	spoilt := z.spoilt[name+dns.TypeToString[kind]]
	set := z.rr[name][kind]
	if len(set) == 0 {
		set = z.rr[name][dns.TypeCNAME]
	}
	cut := slices.Contains(z.plain, name) && kind == dns.TypeDS // its parent answers that
	plain := !cut && slices.ContainsFunc(z.plain, func(p string) bool { return dns.IsSubDomain(p, name) })
	switch {
	case plain:
		m.Answer = append(m.Answer, set...)
		if len(set) == 0 {
			soa, _ := dns.NewRR(z.plain[0] + " 300 IN SOA ns." + z.name + " hostmaster." + z.name + " 1 7200 900 1209600 300")
			m.Ns = append(m.Ns, soa)
		}
	case len(set) > 0:
		m.Answer = append(append(m.Answer, set...), z.spoil(z.sign(set), spoilt))
	default:
		types := []uint16{dns.TypeRRSIG, dns.TypeNSEC}
		if cut {
			types = append(types, dns.TypeNS)
		}
		for t, set := range z.rr[name] {
			if len(set) > 0 {
				types = append(types, t)
			}
		}
		slices.Sort(types)
		nsec := &dns.NSEC{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeNSEC, Class: dns.ClassINET, Ttl: 300}, NextDomain: "\\000." + name, TypeBitMap: types}
		soa := z.rr[z.name][dns.TypeSOA]
		m.Ns = append(append(m.Ns, soa...), z.sign(soa), nsec, z.spoil(z.sign([]dns.RR{nsec}), spoilt))
	}
	_ = w.WriteMsg(m)
}

// spoil makes a signature wrong.
func (z *Zone) spoil(rr dns.RR, wrong bool) dns.RR {
	if s, ok := rr.(*dns.RRSIG); ok && wrong {
		s.Signature = "AAAA" + s.Signature[4:]
	}
	return rr
}

func (z *Zone) sign(set []dns.RR) dns.RR {
	now := time.Now()
	h := set[0].Header()
	s := &dns.RRSIG{
		Hdr: dns.RR_Header{Name: h.Name, Rrtype: dns.TypeRRSIG, Class: dns.ClassINET, Ttl: h.Ttl}, Algorithm: z.key.Algorithm, SignerName: z.name, KeyTag: z.key.KeyTag(),
		Inception: uint32(now.Add(-time.Hour).Unix()), Expiration: uint32(now.Add(24 * time.Hour).Unix()),
	}
	if err := s.Sign(z.signer, set); err != nil {
		panic(err)
	}
	return z.spoil(s, z.broken)
}
