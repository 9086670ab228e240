// Package pebble is for tests only: Let's Encrypt's own test CA in this process,
// with a DNS server that it asks, and that takes dynamic updates.
package pebble

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"postseal/internal/rehearse"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// quick sets what Pebble reads when it starts: no artificial waits, and no
// refusals at random unless a test asks for them.
func quick() {
	for name, value := range map[string]string{"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"} {
		if _, set := os.LookupEnv(name); !set {
			if err := os.Setenv(name, value); err != nil {
				panic(err)
			}
		}
	}
}

// T is what New needs of a test; a program of its own can stand in for it.
type T interface {
	Helper()
	Fatal(args ...any)
	Cleanup(func())
}

// Server is a real ACME server in this process, with a DNS of its own.
type Server struct {
	// Directory is the address of its directory, Management of Pebble's own interface.
	Directory, Management string
	// HTTPAddr and TLSAddr are where it looks for challenges.
	HTTPAddr, TLSAddr string
	DNS               *DNS
	Roots             *x509.CertPool // for the connection
	Issuers           *x509.CertPool // for what it signs
	CA                *ca.CAImpl
	Manage            *http.Client
	// RootPEM is the CA of the connection.
	RootPEM string
}

// Options say how it behaves.
type Options struct {
	Profiles map[string]ca.Profile
	// EAB are key IDs with their keys in base64url.
	EAB map[string]string
	// Depth is the number of intermediates.
	Depth int
	// HTTPPort is where it looks for http-01; 0 is a port that nobody has.
	HTTPPort int
	// Wrap stands before the server.
	Wrap func(*Server, http.Handler) http.Handler
}

// FreeAddr is an address on 127.0.0.1 that nobody else gets until the test ends.
func FreeAddr(t T) (string, int) {
	t.Helper()
	p, err := rehearse.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	_, port, err := net.SplitHostPort(p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return p.Addr, n
}

// New starts one; it ends with the test.
func New(t T, o Options) *Server {
	t.Helper()
	quick()
	if o.Profiles == nil {
		o.Profiles = map[string]ca.Profile{"classic": {Description: "ninety days", ValidityPeriod: 90 * 86400}}
	}
	p := &Server{DNS: NewDNS(t), Issuers: x509.NewCertPool(), Roots: x509.NewCertPool()}
	var httpPort, tlsPort int
	if httpPort = o.HTTPPort; httpPort != 0 {
		p.HTTPAddr = net.JoinHostPort("127.0.0.1", strconv.Itoa(httpPort))
	} else {
		p.HTTPAddr, httpPort = FreeAddr(t)
	}
	p.TLSAddr, tlsPort = FreeAddr(t)
	logger := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	for kid, mac := range o.EAB {
		if err := store.AddExternalAccountKeyByID(kid, mac); err != nil {
			t.Fatal(err)
		}
	}
	p.CA = ca.New(logger, store, "", "ecdsa", 0, max(1, o.Depth), o.Profiles)
	v := va.New(logger, httpPort, tlsPort, true, p.DNS.Addr, store)
	w := wfe.New(logger, store, v, p.CA, []string{"pebble.test"}, true, len(o.EAB) > 0, 0, 0)
	h := w.Handler()
	if o.Wrap != nil {
		h = o.Wrap(p, h)
	}
	front, back := httptest.NewTLSServer(h), httptest.NewTLSServer(w.ManagementHandler())
	t.Cleanup(front.Close)
	t.Cleanup(back.Close)
	p.Directory, p.Management, p.Manage = front.URL+wfe.DirectoryPath, back.URL, back.Client()
	p.Roots.AddCert(front.Certificate())
	p.RootPEM = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw}))
	p.Issuers.AddCert(p.CA.GetRootCert(0).Cert)
	p.DNS.Add("mx.test. 1 IN A 127.0.0.1", "mail.mx.test. 1 IN A 127.0.0.1")
	return p
}

// DNS is a DNS server with the records that it is given. It takes dynamic
// updates that are signed with its key.
type DNS struct {
	Addr string
	mu   sync.Mutex
	rr   map[string][]dns.RR // by name and type
	Key  string              // TSIG secret, in base64
	// AD is set in answers: a resolver that validates.
	AD bool
}

// tsigKey is the name of the key.
const tsigKey = "postseal."

// NewDNS starts one on a port of 127.0.0.1.
func NewDNS(t T) *DNS {
	t.Helper()
	d := &DNS{rr: map[string][]dns.RR{}, Key: "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IQ=="}
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
		d.Addr = l.Addr().String()
		secrets := map[string]string{tsigKey: d.Key}
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

// Add puts records in, as a zone file has them.
func (d *DNS) Add(records ...string) {
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

// Remove takes all records of a name and type away.
func (d *DNS) Remove(name string, kind uint16) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.rr, key(name, kind))
}

func (d *DNS) insert(rr dns.RR) {
	k := key(rr.Header().Name, rr.Header().Rrtype)
	d.rr[k] = append(d.rr[k], rr)
}

// Count is how many records of a type a name has.
func (d *DNS) Count(name string, kind uint16) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.rr[key(name, kind)])
}

func key(name string, kind uint16) string { return strings.ToLower(name) + dns.TypeToString[kind] }

// ServeDNS implements dns.Handler.
func (d *DNS) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := new(dns.Msg).SetReply(q)
	m.Authoritative, m.RecursionAvailable, m.AuthenticatedData = true, true, d.AD
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
