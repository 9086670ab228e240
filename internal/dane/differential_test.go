package dane_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"log"
	"math/big"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"postseal/internal/dane"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/resolve"
)

var (
	cases = flag.Int("cases", 60, "how many generated destinations are compared with posttls-finger")
	seed  = flag.Uint64("seed", 0, "of the generated destinations; 0 is another one each time")
)

// inside is set in the process that has a network and a resolv.conf of its own.
const inside = "POSTSEAL_TEST_DANE_INSIDE"

// TestPostfix compares verdicts with those of a real Postfix: generated zones and
// chains, a resolver that validates, and posttls-finger at level dane.
func TestPostfix(t *testing.T) {
	lab.NeedRoot(t)
	lab.Need(t, "posttls-finger", "unshare", "unbound", "ip", "mount")
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	if os.Getenv(inside) == "" {
		script := `ip link set lo up && echo nameserver 127.0.0.1 >"$1" && mount --bind "$1" /etc/resolv.conf && shift && exec "$@"`
		cmd := exec.Command("unshare", "--net", "--mount", "sh", "-ec", script, "sh", filepath.Join(t.TempDir(), "resolv.conf"),
			os.Args[0], "-test.run=^TestPostfix$", "-test.v", fmt.Sprint("-cases=", *cases), fmt.Sprint("-seed=", *seed))
		cmd.Env = append(os.Environ(), inside+"=1")
		out, err := cmd.CombinedOutput()
		t.Logf("-seed=%d\n%s", *seed, out)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	b := newBed(t)
	r := rand.New(rand.NewPCG(*seed, 1))
	tally := map[string]int{}
	all := make([]destination, *cases)
	var zone []string
	for i := range all {
		all[i] = b.generate(r, i)
		zone = append(zone, all[i].zone...)
	}
	b.Set(zone...)
	for i, d := range all {
		want, said := b.postfix(t, d.domain)
		got, why := b.ours(d)
		tally[string(want)]++
		if got != want {
			t.Errorf("case %d: postseal says %s (%s), Postfix %s\n%s\n%s", i, got, why, want, d, said)
		}
	}
	t.Logf("%d cases, seed %d: %v", *cases, *seed, tally)
}

// bed is a zone with a resolver, and servers that show what they are told to.
type bed struct {
	*lab.Zone
	config string
	pki    pki

	mu     sync.Mutex
	chains map[string][][]byte // by address
}

// pki is a CA with what can be wrong about one.
type pki struct {
	key                              *ecdsa.PrivateKey // of every leaf
	rootKey, interKey                *ecdsa.PrivateKey
	root, inter, interOld, unrelated *x509.Certificate
	serial                           int64
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{Zone: lab.NewZoneAt(t, "test.", "127.0.0.1:53"), config: t.TempDir(), chains: map[string][][]byte{}}
	b.Unsigned("plain.test.")
	if err := os.WriteFile(filepath.Join(b.config, "main.cf"), []byte("compatibility_level = 3.6\nmyhostname = client.test\ndnssec_probe =\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := &b.pki
	for _, k := range []**ecdsa.PrivateKey{&p.key, &p.rootKey, &p.interKey} {
		*k, _ = ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	}
	ca := func(name string, until time.Time, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) *x509.Certificate {
		c := &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotAfter: until}
		return p.sign(c, parent, key, signer)
	}
	p.root = ca("root", time.Now().AddDate(9, 0, 0), nil, p.rootKey, p.rootKey)
	p.inter = ca("inter", time.Now().AddDate(5, 0, 0), p.root, p.interKey, p.rootKey)
	p.interOld = ca("inter", time.Now().AddDate(0, 0, -1), p.root, p.interKey, p.rootKey)
	other, _ := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	p.unrelated = ca("unrelated", time.Now().AddDate(5, 0, 0), nil, other, other)

	l, err := net.Listen("tcp4", "0.0.0.0:25")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go b.serve(c)
		}
	}()
	log.SetOutput(io.Discard)
	return b
}

func (p *pki) sign(c, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) *x509.Certificate {
	p.serial++
	c.SerialNumber = big.NewInt(p.serial)
	if c.NotBefore.IsZero() {
		c.NotBefore = time.Now().AddDate(-1, 0, 0)
	}
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(crand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		panic(err)
	}
	out, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return out
}

// serve is a mail server as far as its certificate.
func (b *bed) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	b.mu.Lock()
	chain := b.chains[c.LocalAddr().(*net.TCPAddr).IP.String()]
	b.mu.Unlock()
	buf := make([]byte, 512)
	for _, say := range []string{"220 hello\r\n", "250-hello\r\n250 STARTTLS\r\n", "220 go\r\n"} {
		if _, err := io.WriteString(c, say); err != nil {
			return
		}
		if say == "220 go\r\n" {
			break
		}
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
	s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{{Certificate: chain, PrivateKey: b.pki.key}}})
	for {
		n, err := s.Read(buf)
		if err != nil {
			return
		}
		answer := "250 hello\r\n"
		if strings.HasPrefix(string(buf[:n]), "QUIT") {
			answer = "221 bye\r\n"
		}
		if _, err := io.WriteString(s, answer); err != nil {
			return
		}
	}
}

// destination is one generated case.
type destination struct {
	domain string
	chain  []*x509.Certificate
	zone   []string
	notes  []string
}

func (d destination) String() string {
	var leaf string
	if len(d.chain) > 0 {
		c := d.chain[0]
		leaf = fmt.Sprintf("leaf %q, until %s, of %d", c.DNSNames, c.NotAfter.Format(time.DateOnly), len(d.chain))
	}
	return strings.Join(append(append([]string{leaf}, d.notes...), d.zone...), "\n")
}

// one picks one of several; the first ones are the more likely.
func one[T any](r *rand.Rand, of ...T) T { return of[min(r.IntN(len(of)), r.IntN(len(of)))] }

func (b *bed) generate(r *rand.Rand, i int) destination {
	id := fmt.Sprintf("c%d", i)
	where := func() string { return one(r, "test", "test", "test", "test", "plain.test") }
	d := destination{domain: id + "." + where()}
	addr := fmt.Sprintf("127.1.%d.%d", i/200, i%200+1)
	record := func(format string, args ...any) { d.zone = append(d.zone, fmt.Sprintf(format, args...)) }
	note := func(format string, args ...any) { d.notes = append(d.notes, fmt.Sprintf(format, args...)) }
	type spoilt struct {
		name string
		kind uint16
	}
	var spoil []spoilt

	mx := "mx-" + id + "." + where()
	at := d.domain
	switch r.IntN(8) {
	case 0: // no MX record: the domain's own address
		mx = d.domain
	case 1: // the domain is an alias
		at = "real-" + id + "." + where()
		record("%s. 60 IN CNAME %s.", d.domain, at)
		fallthrough
	default:
		record("%s. 60 IN MX 10 %s.", at, mx)
	}
	base := mx
	if at == d.domain && mx != d.domain || at != d.domain {
		for range one(r, 0, 0, 1, 1, 2) {
			next := fmt.Sprintf("srv%d-%s.%s", len(d.zone), id, where())
			record("%s. 60 IN CNAME %s.", base, next)
			base = next
		}
	}
	record("%s. 60 IN A %s", base, addr)
	if r.IntN(25) == 0 {
		spoil = append(spoil, spoilt{base, resolve.A})
	}
	if r.IntN(25) == 0 {
		spoil = append(spoil, spoilt{base, resolve.AAAA}) // a denial that is not there
	}

	// What the server shows.
	names := one(r, []string{base}, []string{base}, []string{mx}, []string{d.domain}, []string{"*." + base[strings.Index(base, ".")+1:]}, []string{"other.test"}, []string{at}, []string{"OTHER.test", strings.ToUpper(base)})
	leaf := &x509.Certificate{Subject: pkix.Name{CommonName: one(r, "", "", base)}, DNSNames: names, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, NotAfter: time.Now().AddDate(0, 3, 0)}
	switch r.IntN(12) {
	case 0:
		leaf.NotAfter = time.Now().AddDate(0, 0, -2)
	case 1:
		leaf.NotBefore = time.Now().AddDate(0, 0, 2)
	case 2:
		leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	case 3:
		leaf.DNSNames, leaf.Subject.CommonName = nil, names[0]
	case 4:
		leaf.ExtKeyUsage = nil
	}
	p := &b.pki
	issuers := one(r, []*x509.Certificate{p.inter}, []*x509.Certificate{p.inter, p.root}, []*x509.Certificate{}, []*x509.Certificate{p.root, p.inter}, []*x509.Certificate{p.interOld, p.root}, []*x509.Certificate{p.unrelated, p.inter}, []*x509.Certificate{p.root}, []*x509.Certificate{p.unrelated})
	var cert *x509.Certificate
	if r.IntN(5) == 0 {
		cert = p.sign(leaf, nil, p.key, p.key)
		note("self-signed")
		if r.IntN(3) == 0 {
			issuers = append(issuers, cert)
		}
	} else {
		cert = p.sign(leaf, p.inter, p.key, p.interKey)
	}
	d.chain = append([]*x509.Certificate{cert}, issuers...)
	for _, c := range issuers {
		note("chain: %s until %s", c.Subject.CommonName, c.NotAfter.Format(time.DateOnly))
	}

	// What is published, at both names or at one of them.
	publish := func(name string) {
		owner := "_25._tcp." + name
		if r.IntN(12) == 0 {
			to := "tlsa-" + fmt.Sprint(len(d.zone)) + id + "." + where()
			record("%s. 60 IN CNAME %s.", owner, to)
			owner = to
		}
		if r.IntN(6) > 0 {
			for range one(r, 1, 1, 2, 3) {
				record("%s. 60 IN TLSA %s", owner, b.tlsa(r, d.chain))
			}
		}
		if r.IntN(15) == 0 {
			spoil = append(spoil, spoilt{owner, resolve.TLSA})
		}
	}
	publish(base)
	if mx != base && r.IntN(3) > 0 {
		publish(mx)
	}
	for _, s := range spoil {
		b.Spoil(s.name, s.kind)
		note("spoilt: %s %d", s.name, s.kind)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range d.chain {
		b.chains[addr] = append(b.chains[addr], c.Raw)
	}
	return d
}

// tlsa makes a record, mostly one that is about the chain.
func (b *bed) tlsa(r *rand.Rand, chain []*x509.Certificate) string {
	usage := one(r, 3, 2, 2, 3, 2, 3, 1, 0, 4, 255)
	selector := one(r, 1, 0, 1, 0, 1, 0, 2)
	matching := one(r, 1, 1, 2, 0, 1, 2, 3, 255)
	about := chain[0]
	if usage == 2 && r.IntN(5) > 0 || r.IntN(8) == 0 {
		about = one(r, b.pki.inter, b.pki.root, chain[len(chain)-1], b.pki.interOld, b.pki.unrelated)
	}
	if r.IntN(6) == 0 {
		about = b.pki.unrelated
	}
	data := about.Raw
	if selector == 1 {
		data = about.RawSubjectPublicKeyInfo
	}
	switch matching {
	case 1:
		sum := sha256.Sum256(data)
		data = sum[:]
	case 2:
		sum := sha512.Sum512(data)
		data = sum[:]
	}
	switch r.IntN(14) {
	case 0:
		data = data[:len(data)-1]
	case 1:
		data = append(append([]byte{}, data...), 0)
	}
	return fmt.Sprintf("%d %d %d %s", usage, selector, matching, hex.EncodeToString(data))
}

// ours is what postseal says.
func (b *bed) ours(d destination) (dane.Verdict, string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r := resolve.Resolver{Machine: host.Local{}, Servers: []string{b.Resolver}}
	mx, domains := d.domain, []string(nil)
	switch a := r.Ask(ctx, d.domain, resolve.MX).(type) {
	case resolve.Unknown:
		return dane.Deferred, a.Text
	case resolve.Records:
		_, mx, _ = strings.Cut(a.Values[0], " ")
		domains = []string{d.domain, a.Owner}
	}
	h := dane.Resolve(ctx, r, mx, "25")
	v, detail := h.Judge(d.chain, domains, time.Now())
	return v, fmt.Sprintf("%s, base %s: %s %s", h.State, h.Base, detail.Outcome, detail.Why)
}

// postfix is what posttls-finger says.
func (b *bed) postfix(t *testing.T, domain string) (dane.Verdict, string) {
	t.Helper()
	cmd := exec.Command("posttls-finger", "-c", "-l", "dane", "-t", "10", "-L", "summary,verbose,certmatch", domain)
	cmd.Env = append(os.Environ(), "MAIL_CONFIG="+b.config)
	out, _ := cmd.CombinedOutput()
	said := string(out)
	has := func(s string) bool { return strings.Contains(said, s) }
	switch {
	case has("TLSA lookup error"), has("lookup failed"), has("lookup error"):
		return dane.Deferred, said
	case has("Verified TLS connection"), has("log verified as trusted") && has("Trusted TLS connection") && !has("Untrusted"):
		return dane.Verified, said
	case has("all TLSA records unusable"):
		return dane.Unauthenticated, said
	case has("DNSSEC-signed TLSA record"):
		return dane.Refused, said
	case has("unsupported TLSA certificate usage"), has("reserved private-use matching type"), has("truncated TLSA RR"):
		return dane.Unauthenticated, said // smtp(8) goes to level encrypt then, and posttls-finger to secure
	case has("TLS connection established"):
		return dane.Opportunistic, said
	}
	t.Errorf("posttls-finger: %s", said)
	return "", said
}
