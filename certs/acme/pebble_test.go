package acme_test

import (
	"context"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"postseal/certs/acme"
)

// TestMain sets what Pebble reads when it starts: no artificial waits, no
// refusals at random.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0",
		// A wrong path here makes the library panic, if it is let.
		"LEGO_CA_CERTIFICATES": "/nowhere.pem",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// pebble is a real ACME server in this process, with a DNS of its own.
type pebble struct {
	directory, management string
	httpAddr, tlsAddr     string
	dns                   *stub
	roots                 *x509.CertPool // for the connection
	issuers               *x509.CertPool // for what it signs
	ca                    *ca.CAImpl
	manage                *http.Client
}

type options struct {
	profiles map[string]ca.Profile
	eab      map[string]string
	depth    int
	wrap     func(*pebble, http.Handler) http.Handler
}

func freeAddr(t testing.TB) (string, int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String(), l.Addr().(*net.TCPAddr).Port
}

func newPebble(t testing.TB, o options) *pebble {
	t.Helper()
	if o.profiles == nil {
		o.profiles = map[string]ca.Profile{"classic": {Description: "ninety days", ValidityPeriod: 90 * 86400}}
	}
	p := &pebble{dns: newStub(t), issuers: x509.NewCertPool(), roots: x509.NewCertPool()}
	var httpPort, tlsPort int
	p.httpAddr, httpPort = freeAddr(t)
	p.tlsAddr, tlsPort = freeAddr(t)
	logger := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	for kid, mac := range o.eab {
		if err := store.AddExternalAccountKeyByID(kid, mac); err != nil {
			t.Fatal(err)
		}
	}
	p.ca = ca.New(logger, store, "", "ecdsa", 0, max(1, o.depth), o.profiles)
	v := va.New(logger, httpPort, tlsPort, true, p.dns.addr, store)
	w := wfe.New(logger, store, v, p.ca, []string{"pebble.test"}, true, len(o.eab) > 0, 0, 0)
	h := w.Handler()
	if o.wrap != nil {
		h = o.wrap(p, h)
	}
	front, back := httptest.NewTLSServer(h), httptest.NewTLSServer(w.ManagementHandler())
	t.Cleanup(front.Close)
	t.Cleanup(back.Close)
	p.directory, p.management, p.manage = front.URL+wfe.DirectoryPath, back.URL, back.Client()
	p.roots.AddCert(front.Certificate())
	p.issuers.AddCert(p.ca.GetRootCert(0).Cert)
	p.dns.add("mx.test. 1 IN A 127.0.0.1", "mail.mx.test. 1 IN A 127.0.0.1")
	return p
}

// client is a client with a registered account.
func (p *pebble) client(t testing.TB) (*acme.Client, *acme.Account) {
	t.Helper()
	c, a := p.stranger(t)
	if err := c.Register(context.Background(), true, nil); err != nil {
		t.Fatal(err)
	}
	return c, a
}

// stranger is a client whose account is not registered.
func (p *pebble) stranger(t testing.TB) (*acme.Client, *acme.Account) {
	t.Helper()
	a, err := acme.NewAccount(p.directory, "postmaster@mx.test")
	if err != nil {
		t.Fatal(err)
	}
	c, err := acme.New(acme.Options{Directory: p.directory, Roots: p.roots, Account: a, Poll: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, a
}

// stub is a DNS server with the records that it is given. It takes dynamic
// updates that are signed with its key.
type stub struct {
	addr string
	mu   sync.Mutex
	rr   map[string][]dns.RR // by name and type
	key  string              // TSIG secret
}

const tsigKey = "postseal."

func newStub(t testing.TB) *stub {
	t.Helper()
	d := &stub{rr: map[string][]dns.RR{}, key: "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IQ=="}
	for range 20 { // one number for UDP and TCP
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		u, err := net.ListenPacket("udp", l.Addr().String())
		if err != nil {
			_ = l.Close()
			continue
		}
		d.addr = l.Addr().String()
		secrets := map[string]string{tsigKey: d.key}
		accept := func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }
		for _, s := range []*dns.Server{{PacketConn: u, Handler: d, TsigSecret: secrets, MsgAcceptFunc: accept}, {Listener: l, Handler: d, TsigSecret: secrets, MsgAcceptFunc: accept}} {
			go func() { _ = s.ActivateAndServe() }()
			t.Cleanup(func() { _ = s.Shutdown() })
		}
		return d
	}
	t.Fatal("no port for the DNS")
	return nil
}

func (d *stub) add(records ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			panic(err)
		}
		d.insert(rr)
	}
}

func (d *stub) insert(rr dns.RR) {
	k := key(rr.Header().Name, rr.Header().Rrtype)
	d.rr[k] = append(d.rr[k], rr)
}

func (d *stub) count(name string, kind uint16) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.rr[key(name, kind)])
}

func key(name string, kind uint16) string { return strings.ToLower(name) + dns.TypeToString[kind] }

// ServeDNS implements dns.Handler.
func (d *stub) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := new(dns.Msg).SetReply(q)
	m.Authoritative, m.RecursionAvailable = true, true
	switch {
	case len(q.Question) != 1:
		m.Rcode = dns.RcodeFormatError
	case q.Opcode == dns.OpcodeUpdate && (q.IsTsig() == nil || w.TsigStatus() != nil):
		m.Rcode = dns.RcodeNotAuth
	case q.Opcode == dns.OpcodeUpdate:
		for _, rr := range q.Ns {
			if rr.Header().Class == dns.ClassINET {
				d.insert(rr)
				continue
			}
			k := key(rr.Header().Name, rr.Header().Rrtype)
			kept := d.rr[k][:0]
			for _, old := range d.rr[k] {
				if txt, ok := rr.(*dns.TXT); !ok || strings.Join(old.(*dns.TXT).Txt, "") != strings.Join(txt.Txt, "") {
					kept = append(kept, old)
				}
			}
			d.rr[k] = kept
		}
	default:
		name := strings.ToLower(q.Question[0].Name)
		for range 8 {
			m.Answer = append(m.Answer, d.rr[key(name, q.Question[0].Qtype)]...)
			alias := d.rr[key(name, dns.TypeCNAME)]
			if q.Question[0].Qtype == dns.TypeCNAME || len(alias) == 0 {
				break
			}
			m.Answer = append(m.Answer, alias[0])
			name = strings.ToLower(alias[0].(*dns.CNAME).Target)
		}
	}
	if q.IsTsig() != nil && w.TsigStatus() == nil {
		m.SetTsig(q.IsTsig().Hdr.Name, q.IsTsig().Algorithm, 300, time.Now().Unix())
	}
	_ = w.WriteMsg(m)
}
