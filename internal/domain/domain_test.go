package domain_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"postseal/certs"
	"postseal/internal/domain"
	"postseal/internal/host"
	"postseal/internal/lab"
)

// web serves over HTTPS on an address of the loopback of its own, port 443.
func web(t *testing.T, ca *lab.CA, name, addr string, h http.HandlerFunc) {
	t.Helper()
	lab.NeedRoot(t)
	i := ca.Issue(t, lab.Leaf{Names: []string{name}})
	pair, err := tls.X509KeyPair([]byte(i.Cert+ca.IntermediatePEM), []byte(i.Key))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", addr+":443")
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	_ = s.Listener.Close()
	s.Listener, s.TLS, s.Config.ErrorLog = l, &tls.Config{Certificates: []tls.Certificate{pair}}, log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
}

func roots(t *testing.T, ca *lab.CA) *x509.CertPool {
	t.Helper()
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM([]byte(ca.RootPEM)) {
		t.Fatal("no root")
	}
	return p
}

const policy = "version: STSv1\r\nmode: enforce\r\nmx: *.look.test\r\nmax_age: 604800\r\n"

// TestLook: what a resolver that validates and a real web server say of a domain.
func TestLook(t *testing.T) {
	ca := lab.NewCA(t)
	good, other := ca.Issue(t, lab.Leaf{Names: []string{"mx.look.test"}}), ca.Issue(t, lab.Leaf{Names: []string{"mx.look.test"}})
	z := lab.NewZone(t, "test.")
	o := domain.Options{Resolver: z.Resolver, Roots: roots(t, ca)}
	answer := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, policy) }
	web(t, ca, "mta-sts.look.test", "127.83.5.1", func(w http.ResponseWriter, r *http.Request) { answer(w, r) })
	look := func() *domain.Domain {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		d, err := domain.Look(ctx, host.Local{}, "Look.test.", o)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	z.Set("look.test. 300 IN MX 10 mx.look.test.", "mx.look.test. 300 IN A 127.0.0.1", "mta-sts.look.test. 300 IN A 127.83.5.1",
		"_25._tcp.mx.look.test. 300 IN TLSA "+certs.NewTLSA(good.Leaf).String(), "_25._tcp.mx.look.test. 300 IN TLSA 1 1 1 00",
		`_mta-sts.look.test. 300 IN TXT "v=STSv1; " "id=20270101;"`, `_smtp._tls.look.test. 300 IN TXT "v=TLSRPTv1; rua=mailto:tls@look.test,https://r.look.test/x"`)
	d := look()
	yes, no := true, false
	want := &domain.Domain{
		Name: "look.test", Signed: true,
		MX: []domain.MX{{Name: "mx.look.test", Preference: 10, Addresses: []string{"127.0.0.1"}, Promised: &yes, DANE: domain.DANE{State: domain.Secure, Records: []domain.Record{
			{Text: certs.NewTLSA(good.Leaf).String(), Usable: true}, {Text: "1 1 1 00"},
		}}}},
		STS:     domain.STS{Record: "v=STSv1; id=20270101;", ID: "20270101", Policy: &domain.Policy{Mode: "enforce", MaxAge: 604800, MX: []string{"*.look.test"}}},
		Reports: domain.Reports{Record: "v=TLSRPTv1; rua=mailto:tls@look.test,https://r.look.test/x", To: []string{"mailto:tls@look.test", "https://r.look.test/x"}},
	}
	private := cmp.FilterPath(func(p cmp.Path) bool {
		return slices.Contains([]string{".tlsa", ".published", ".names"}, p.Last().String())
	}, cmp.Ignore())
	if diff := cmp.Diff(want, d, private); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
	chain := func(i lab.Issued) [][]byte { return [][]byte{i.Leaf.Raw, der(t, ca.IntermediatePEM)} }
	x := d.MX[0]
	if x.Judge(context.Background(), [][][]byte{chain(good)}, o, time.Now()); *x.DANE.Kept != yes || *x.Trusted != yes || !x.DANE.Records[0].Matches {
		t.Errorf("%+v", x)
	}
	if x.Judge(context.Background(), [][][]byte{chain(good), chain(other)}, o, time.Now()); *x.DANE.Kept != no || *x.Trusted != yes {
		t.Errorf("one of two certificates: %+v", x)
	}
	if x.Judge(context.Background(), [][][]byte{chain(good)[:1]}, o, time.Now()); *x.Trusted != no || !strings.Contains(x.Untrusted, "unknown authority") {
		t.Errorf("without the intermediate: %+v", x)
	}

	ended, end := context.WithCancel(context.Background())
	end()
	x.Trusted = nil
	if x.Judge(ended, [][][]byte{chain(good)}, o, time.Now()); x.Trusted != nil || *x.DANE.Kept != yes {
		t.Errorf("when the time is up: %+v", x)
	}

	for _, c := range []struct {
		name, says string
		h          http.HandlerFunc
	}{
		{"redirect", "redirects, which senders do not follow", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://mta-sts.look.test/x", http.StatusFound)
		}},
		{"missing", "answers 404", http.NotFound},
		{"a page", `sends it as "text/html"`, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, policy)
		}},
		{"no end", "more than 64 KiB", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			for r.Context().Err() == nil {
				if _, err := fmt.Fprint(w, strings.Repeat("x", 1<<10)); err != nil {
					return
				}
			}
		}},
		{"nonsense", "lacks the line version", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }},
	} {
		answer = c.h
		if d := look(); d.STS.Policy != nil || !strings.Contains(d.STS.Problem, c.says) || d.MX[0].Promised != nil {
			t.Errorf("%s: %+v", c.name, d.STS)
		}
	}
	z.Remove("mta-sts.look.test", dns.TypeA)
	z.Set("mta-sts.look.test. 300 IN A 127.83.5.9") // nobody listens there
	if d := look(); !strings.Contains(d.STS.Problem, "refused") || d.STS.Unseen {
		t.Errorf("%+v", d.STS)
	}
	z.Remove("mta-sts.look.test", dns.TypeA)
	z.Set("mta-sts.look.test. 300 IN A 255.255.255.255") // where nobody can connect to
	if d := look(); d.STS.Problem == "" || !d.STS.Unseen {
		t.Errorf("%+v", d.STS)
	}
	z.Set(`_mta-sts.look.test. 300 IN TXT "v=STSv1; id=1"`, `_mta-sts.look.test. 300 IN TXT "v=STSv1; id=2"`)
	if d := look(); !strings.Contains(d.STS.Problem, "several") {
		t.Errorf("%+v", d.STS)
	}
	z.Remove("_25._tcp.mx.look.test", dns.TypeTLSA)
	if d := look(); d.MX[0].DANE.State != domain.None {
		t.Errorf("%+v", d.MX[0].DANE)
	}
	z.Set("look.test. 300 IN MX 0 .")
	if d := look(); !d.Silent || len(d.MX) != 0 {
		t.Errorf("%+v", d)
	}
	z.Break(true)
	if d, err := domain.Look(context.Background(), host.Local{}, "look.test", o); err == nil || !strings.Contains(err.Error(), "SERVFAIL") {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err := domain.Look(context.Background(), host.Local{}, "a b", o); err == nil {
		t.Errorf("%+v", d)
	}
}

// TestNames: senders look where an MX target leads first, and then at its own name,
// whether the MX record is signed or not; an issuer's record needs a name as well;
// and what a resolver does not validate is no fault of the domain.
func TestNames(t *testing.T) {
	ca := lab.NewCA(t)
	good, other, named := ca.Issue(t, lab.Leaf{Names: []string{"x.test"}}), ca.Issue(t, lab.Leaf{}), ca.Issue(t, lab.Leaf{Names: []string{"srv.test"}})
	z := lab.NewZone(t, "test.")
	z.Unsigned("plain.test.")
	right, wrong := certs.NewTLSA(good.Leaf).String(), certs.NewTLSA(other.Leaf).String()
	inter, err := x509.ParseCertificate(der(t, ca.IntermediatePEM))
	if err != nil {
		t.Fatal(err)
	}
	issuer := certs.NewTLSA(inter)
	issuer.Usage = 2
	z.Set("d.test. 300 IN MX 10 mx.test.", "d.plain.test. 300 IN MX 10 mx.test.", "mx.test. 300 IN CNAME srv.test.", "srv.test. 300 IN A 127.0.0.1")
	judge := func(name string, leaf lab.Issued) domain.MX {
		t.Helper()
		o := domain.Options{Resolver: z.Resolver, Roots: roots(t, ca)}
		d, err := domain.Look(context.Background(), host.Local{}, name, o)
		if err != nil {
			t.Fatal(err)
		}
		d.MX[0].Judge(context.Background(), [][][]byte{{leaf.Leaf.Raw, inter.Raw}}, o, time.Now())
		return d.MX[0]
	}
	kept := func(x domain.MX) string {
		if x.DANE.Kept == nil {
			return string(x.DANE.State)
		}
		return fmt.Sprint(*x.DANE.Kept)
	}
	for _, c := range []struct {
		srv, mx, name string
		leaf          lab.Issued
		want          string
	}{
		{wrong, right, "d.test", good, "false"},
		{right, "", "d.test", good, "true"},
		{"", right, "d.test", good, "true"},
		{right, "", "d.plain.test", good, "true"},
		{wrong, "", "d.plain.test", good, "false"},
		{issuer.String(), "", "d.test", good, "false"},
		{issuer.String(), "", "d.test", named, "true"},
		{"", "", "d.test", good, "none"},
		{"3 1 1 00", "", "d.test", good, "secure"},
	} {
		for name, text := range map[string]string{"_25._tcp.srv.test": c.srv, "_25._tcp.mx.test": c.mx} {
			z.Remove(name, dns.TypeTLSA)
			if text != "" {
				z.Set(name + ". 300 IN TLSA " + text)
			}
		}
		if x := judge(c.name, c.leaf); kept(x) != c.want {
			t.Errorf("%+v: %s, want %s: %+v", c, kept(x), c.want, x.DANE)
		}
	}
	blind := &host.Fake{DNS: map[string]host.Answer{
		"d.test MX": {RCode: "NOERROR", Records: []string{"10 mx.test."}}, "mx.test A": {RCode: "NOERROR", Records: []string{"127.0.0.1"}}, "mx.test AAAA": {RCode: "NOERROR"},
		"_25._tcp.mx.test TLSA": {RCode: "NOERROR", Records: []string{right}}, ". NS": {RCode: "NOERROR", Records: []string{"a.root-servers.net."}},
		"_mta-sts.d.test TXT": {RCode: "NOERROR"}, "_smtp._tls.d.test TXT": {RCode: "NOERROR"},
	}}
	d, err := domain.Look(context.Background(), blind, "d.test", domain.Options{Resolver: "192.0.2.1:53"})
	if err != nil || !d.Blind || d.MX[0].DANE.State != domain.Unknown || len(d.Broken()) != 0 {
		t.Errorf("%+v, %v: %q", d, err, d.Broken())
	}
}

func der(t *testing.T, text string) []byte {
	t.Helper()
	b, _ := pem.Decode([]byte(text))
	if b == nil {
		t.Fatal("no certificate")
	}
	return b.Bytes
}

// TestNoRoots: a machine without CA certificates says nothing of a certificate.
func TestNoRoots(t *testing.T) {
	if os.Getenv("SSL_CERT_FILE") != os.DevNull { // it is read once for each process
		c := exec.Command(os.Args[0], "-test.run=^TestNoRoots$")
		c.Env = append(os.Environ(), "SSL_CERT_FILE="+os.DevNull, "SSL_CERT_DIR="+t.TempDir())
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return
	}
	x := domain.MX{Name: "mx.look.test"}
	x.Judge(context.Background(), [][][]byte{{lab.NewCA(t).Issue(t, lab.Leaf{}).Leaf.Raw}}, domain.Options{}, time.Now())
	if x.Trusted != nil || x.Untrusted != "" {
		t.Errorf("%+v", x)
	}
}

// TestPolicy: what RFC 8461, section 3.2, takes and what not.
func TestPolicy(t *testing.T) {
	for text, says := range map[string]string{
		policy: "", "version: STSv1\nmode: none\nmax_age: 0": "", "version: STSv1\nmode: testing\nmx: a.test\nmx: b.test\nmax_age: 1\nx: y\nmode: enforce\n": "",
		"version: STSv2\nmode: none\nmax_age: 0": "version", "version: STSv1\nmode: on\nmax_age: 0": "mode", "version: STSv1\nmode: enforce\nmax_age: 1": "lists no mx",
		"version: STSv1\nmode: none\nmax_age: 99999999999": "max_age", "version: STSv1\nmode: none\nmax_age: -1": "max_age", "version: STSv1\nmode: none": "no max_age", "": "version",
	} {
		p, err := domain.ParsePolicy(text)
		if (says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %+v, %v", text, p, err)
		}
	}
	p := domain.Policy{MX: []string{"mx.a.test", "*.b.test"}}
	for name, want := range map[string]bool{"mx.a.test": true, "MX.a.test.": true, "x.a.test": false, "x.b.test": true, "b.test": false, "y.x.b.test": false, "": false} {
		if p.Names(name) != want {
			t.Errorf("%q: not %v", name, want)
		}
	}
	if p, err := domain.ParsePolicy("version: STSv1\nmode: enforce\nmx: mx.a.test.\nmax_age: 1\n"); err != nil || p.Names("mx.a.test") || p.Names("mx.a.test.") {
		t.Errorf("with a final dot it names no server: %+v, %v", p, err)
	}
	for text, want := range map[string]bool{"v=STSv1; id=1": true, "v=STSv1;id=a1 ;": true, "v=STSv1": false, "v=STSv1; id=a-b": false, "id=1": false} {
		if id, err := domain.ParseSTSRecord(text); (err == nil) != want {
			t.Errorf("%q: %q, %v", text, id, err)
		}
	}
	for text, want := range map[string]bool{"v=TLSRPTv1; rua=mailto:a@b": true, "v=TLSRPTv1;rua=https://a/b, mailto:c@d": true, "v=TLSRPTv1": false, "v=TLSRPTv1; rua=ftp://a": false, "v=TLSRPTv1; rua=mailto:a": false} {
		if to, err := domain.ParseReports(text); (err == nil) != want {
			t.Errorf("%q: %q, %v", text, to, err)
		}
	}
}

// TestUnannounced: a policy that changed needs another id.
func TestUnannounced(t *testing.T) {
	seen := func(id, mode string, age int, mx ...string) domain.STS {
		return domain.STS{ID: id, Policy: &domain.Policy{Mode: mode, MaxAge: age, MX: mx}}
	}
	was := seen("1", domain.Enforce, 86400, "a.test", "b.test")
	for _, c := range []struct {
		now  domain.STS
		want bool
	}{
		{seen("1", domain.Enforce, 86400, "b.test", "a.test", "a.test"), false},
		{seen("1", domain.Enforce, 86400, "a.test"), true},
		{seen("1", domain.Testing, 86400, "a.test", "b.test"), true},
		{seen("1", domain.Enforce, 86401, "a.test", "b.test"), true},
		{seen("2", domain.Testing, 1, "c.test"), false},
		{domain.STS{ID: "1", Problem: "it could not be fetched"}, false},
	} {
		if got := c.now.Unannounced(was); got != c.want {
			t.Errorf("%+v: %v", c.now, got)
		}
	}
}

// TestPatterns: what an mx line stands for (RFC 8461, section 4.1).
func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, server string
		want            bool
		almost          string
	}{
		{"MX.A.Test", "mx.a.test", true, ""},
		{"*.A.test", "MX.a.TEST.", true, ""},
		{"*.a.test", "a.test", false, ""},
		{"*.a.test", "x.mx.a.test", false, ""},
		{"*.a.test.", "mx.a.test", false, " (mx: *.a.test. ends with a dot)"},
		{"mx.a.test.", "mx.a.test.", false, " (mx: mx.a.test. ends with a dot)"},
		{"mx.a.test.", "mx.b.test", false, ""},
		{"mx*.a.test", "mx1.a.test", false, ""},
		{"mx.*.test", "mx.a.test", false, ""},
		{"*", "mx.a.test", false, ""},
		{"*.", "mx", false, ""},
		{".a.test", "mx.a.test", false, ""},
		{"a.test", "mx.a.test", false, ""},
	} {
		p, err := domain.ParsePolicy("version: STSv1\nmode: enforce\nmx: " + c.pattern + "\nmax_age: 1\n")
		if err != nil {
			t.Fatal(err)
		}
		if p.Names(c.server) != c.want || p.Almost(c.server) != c.almost {
			t.Errorf("%s for %s: %v, %q", c.pattern, c.server, p.Names(c.server), p.Almost(c.server))
		}
	}
}

// FuzzPolicy: whatever is published, what is taken of it is sound.
func FuzzPolicy(f *testing.F) {
	f.Add(policy)
	f.Add("v=STSv1; id=1;")
	f.Add("v=TLSRPTv1; rua=mailto:a@b")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := domain.ParsePolicy(text); err == nil && (p.MaxAge < 0 || p.Mode == "" || p.Mode != domain.Off && len(p.MX) == 0 || len(p.MX) > 100) {
			t.Errorf("%q is %+v", text, p)
		}
		if id, err := domain.ParseSTSRecord(text); err == nil && (id == "" || len(id) > 32) {
			t.Errorf("%q has id %q", text, id)
		}
		if to, err := domain.ParseReports(text); err == nil && len(to) == 0 {
			t.Errorf("%q has no address", text)
		}
	})
}
