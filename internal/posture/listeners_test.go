package posture_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/postfix"
	"postseal/internal/posture"
	"postseal/internal/probe"
)

var (
	seed  = flag.Uint64("seed", 1, "of the generated configurations; 0: another one each time")
	count = flag.Int("configurations", 4, "how many are generated")
)

// random is a source whose seed is printed, so that a run can be had again.
func random(t *testing.T, n int) *rand.Rand {
	t.Helper()
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed %d", s)
	return rand.New(rand.NewPCG(s, uint64(n)))
}

// met is what a client meets at a listener.
type met struct {
	// Greets is false if nothing greets.
	Greets bool
	// STARTTLS is in its answer to EHLO, AUTH too; Clear is true if it takes mail
	// without TLS.
	STARTTLS, AUTH, Clear bool
	// Versions are those of which a handshake came about; Classes those of which it took
	// a suite of TLS 1.2.
	Versions, Classes []string
	// Leaves are the certificates that it shows, by algorithm.
	Leaves map[string]string
	// Asks is true if it asks for a client certificate, Inside if it offers AUTH in TLS.
	Asks, Inside bool
}

// classes that are asked for: an exclusion list can take each out.
var classes = []string{"aNULL", "kRSA", "kDHE", "SHA1", "SHA256", "SHA384", "CAMELLIA", "ARIA", "AESCCM8"}

var versions = []struct {
	name postfix.Protocol
	id   uint16
}{{postfix.TLSv1, tls.VersionTLS10}, {postfix.TLSv11, tls.VersionTLS11}, {postfix.TLSv12, tls.VersionTLS12}, {postfix.TLSv13, tls.VersionTLS13}}

// client is one conversation.
type client struct {
	conn net.Conn
	text *textproto.Conn
}

func dial(addr string, patience time.Duration) (*client, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &client{conn, textproto.NewConn(conn)}, nil
}

// say sends a line and returns the lines of the answer.
func (c *client) say(line string) (code int, lines []string, err error) {
	if line != "" {
		if err := c.text.PrintfLine("%s", line); err != nil {
			return 0, nil, err
		}
	}
	code, text, err := c.text.ReadResponse(0)
	return code, strings.Split(text, "\n"), err
}

func offers(lines []string, keyword string) bool {
	return slices.ContainsFunc(lines, func(l string) bool { w, _, _ := strings.Cut(l, " "); return w == keyword })
}

// shake greets and shakes hands; inside is the answer to EHLO in TLS.
func shake(addr string, implicit bool, config *tls.Config) (state tls.ConnectionState, inside []string, err error) {
	c, err := dial(addr, 10*time.Second)
	if err != nil {
		return state, nil, err
	}
	defer func() { _ = c.conn.Close() }()
	if !implicit {
		for _, line := range []string{"", "EHLO client.example", "STARTTLS"} {
			code, _, err := c.say(line)
			if err != nil || code >= 400 {
				return state, nil, fmt.Errorf("%q: %d, %w", line, code, err)
			}
		}
	}
	t := tls.Client(c.conn, config)
	if err := t.Handshake(); err != nil {
		return state, nil, err
	}
	c.text = textproto.NewConn(t)
	if implicit {
		if _, _, err = c.say(""); err != nil {
			return t.ConnectionState(), nil, nil
		}
	}
	_, inside, _ = c.say("EHLO client.example")
	return t.ConnectionState(), inside, nil
}

// meet looks at a listener as clients do.
func meet(t *testing.T, addr string, l posture.Listener) (m met) {
	t.Helper()
	patience := 10 * time.Second
	if l.Dead != "" {
		patience = time.Second // in which the others had greeted
	}
	if !l.Implicit {
		c, err := dial(addr, patience)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.conn.Close() }()
		if code, _, err := c.say(""); err != nil || code != 220 {
			return m
		}
		m.Greets = true
		_, lines, err := c.say("EHLO client.example")
		if err != nil {
			t.Fatal(err)
		}
		m.STARTTLS, m.AUTH = offers(lines, "STARTTLS"), offers(lines, "AUTH")
		code, _, err := c.say("MAIL FROM:<>")
		if err != nil {
			t.Fatal(err)
		}
		m.Clear = code == 250
		if !m.STARTTLS {
			return m
		}
	}
	config := func(id uint16) *tls.Config {
		c := &tls.Config{InsecureSkipVerify: true, MinVersion: id, MaxVersion: id,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				m.Asks = true
				return &tls.Certificate{}, nil
			}}
		for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
			c.CipherSuites = append(c.CipherSuites, s.ID)
		}
		return c
	}
	for _, v := range versions {
		_, inside, err := shake(addr, l.Implicit, config(v.id))
		if err != nil {
			continue
		}
		m.Greets = true
		m.Versions = append(m.Versions, string(v.name))
		m.Inside = m.Inside || offers(inside, "AUTH")
	}
	m.Leaves = map[string]string{}
	for algorithm, part := range map[string]string{"RSA": "_RSA_", "ECDSA": "_ECDSA_"} {
		c := config(tls.VersionTLS12)
		c.CipherSuites = nil
		for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
			if strings.Contains(s.Name, part) {
				c.CipherSuites = append(c.CipherSuites, s.ID)
			}
		}
		if state, _, err := shake(addr, l.Implicit, c); err == nil {
			sum := sha256.Sum256(state.PeerCertificates[0].Raw)
			m.Leaves[algorithm] = hex.EncodeToString(sum[:])
		}
	}
	for _, class := range classes {
		if !slices.Contains(m.Versions, string(postfix.TLSv12)) && len(l.Serves) > 0 {
			break // an answer would be of an older version
		}
		taken, _, err := probe.Offer(context.Background(), probe.Target{Addr: addr, Implicit: l.Implicit}, probe.Options{}, class)
		if err != nil {
			continue
		}
		if taken {
			m.Greets = true
			m.Classes = append(m.Classes, class)
		}
	}
	return m
}

// promised is what a posture says that a client meets.
func promised(l posture.Listener) (m met) {
	if l.Dead != "" {
		return m
	}
	m.Greets = true
	m.Clear = l.TLS.Is != posture.Mandatory
	m.AUTH = l.Login.Is == posture.LoginInClear && !l.Implicit
	m.STARTTLS = l.TLS.Is != posture.Never && !l.Implicit && !l.Hidden
	if l.Implicit && !l.Works() {
		return met{}
	}
	if !m.STARTTLS && !l.Implicit {
		return m
	}
	m.Leaves = map[string]string{}
	if !l.Works() {
		return m
	}
	for _, v := range l.Versions.Is {
		if len(l.Serves) > 0 { // the client has no suites without certificates
			m.Versions = append(m.Versions, string(v))
		}
	}
	m.Inside = len(m.Versions) > 0 && l.Login.Is != posture.NoLogin && l.ClientCertificate.Is != posture.Mandatory
	m.Asks = len(m.Versions) > 0 && l.ClientCertificate.Is != posture.Never
	if !slices.Contains(l.Versions.Is, postfix.TLSv12) {
		return m
	}
	for a, leaf := range l.Serves {
		m.Leaves[a] = leaf
	}
	var algorithms []string
	for a := range l.Serves {
		algorithms = append(algorithms, a)
	}
	left, known := l.Suites.Left(algorithms...)
	if !known {
		panic("the generator makes no lists that are not worked out")
	}
	for _, class := range classes {
		if slices.ContainsFunc(left, func(s probe.Suite) bool { return s.In(class) }) {
			m.Classes = append(m.Classes, class)
		}
	}
	return m
}

// login answers smtpd as a Dovecot does that offers PLAIN (Dovecot's authentication
// protocol, version 1.1), and returns what to write into main.cf.
func login(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
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
			_, _ = fmt.Fprintf(c, "VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t%032x\nDONE\n", 1)
			go func() { _, _ = bufio.NewReader(c).WriteTo(discard{}); _ = c.Close() }()
		}
	}()
	return "smtpd_sasl_type = dovecot\nsmtpd_sasl_path = inet:" + l.Addr().String() + "\n"
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// bed are certificates for generated configurations.
type bed struct{ rsa, ecdsa, other string }

func newBed(t *testing.T) bed {
	t.Helper()
	ca, dir := lab.NewCA(t), lab.Dir(t)
	file := func(name string, l lab.Leaf) string {
		c := ca.Issue(t, l)
		return lab.Write(t, dir, name, c.Key+c.Cert+ca.IntermediatePEM, 0o600)
	}
	return bed{file("rsa.pem", lab.Leaf{RSA: true}), file("ecdsa.pem", lab.Leaf{}), file("other.pem", lab.Leaf{RSA: true})}
}

// certificates and engine are what smtpd and tlsproxy have both, under different prefixes.
func (b bed) certificates(prefix string) []knob {
	return []knob{
		{prefix + "chain_files", []string{b.rsa, b.ecdsa, b.rsa + "," + b.ecdsa, ""}},
		{prefix + "cert_file", []string{b.other, "none", ""}},
		{prefix + "eccert_file", []string{b.ecdsa, ""}},
	}
}

func engine(prefix string, v postfix.Version) []knob {
	return []knob{
		{prefix + "ask_ccert", []string{"yes", "no"}},
		{prefix + "req_ccert", []string{"yes", "no"}},
		{prefix + "protocols", append(protocolLists(v), "$smtpd_tls_mandatory_protocols")},
		{prefix + "mandatory_protocols", protocolLists(v)},
		{prefix + "ciphers", grades},
		{prefix + "mandatory_ciphers", grades},
		{prefix + "exclude_ciphers", exclusions},
		{prefix + "mandatory_exclude_ciphers", exclusions},
	}
}

// duties are the parameters that decide whether TLS is done.
func duties(level, use, enforce string) []knob {
	return []knob{
		{level, []string{"none", "may", "encrypt", "MAY", "verify", "", "dane"}},
		{use, []string{"yes", "no"}},
		{enforce, []string{"yes", "no"}},
	}
}

// look is the posture of a private Postfix.
func look(t *testing.T, s *lab.Server) posture.Posture {
	t.Helper()
	f, err := detect.Look(context.Background(), host.ReadOnly{Reader: host.Local{}}, s.Config(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return posture.Of(f, f.Config, nil)
}

// TestListeners compares the posture with what clients meet at the listeners of a real
// Postfix, for generated configurations.
func TestListeners(t *testing.T) {
	lab.NeedRoot(t)
	v, b, auth := version(t), newBed(t), login(t)
	const prefix = "smtpd_tls_"
	levels := duties("smtpd_tls_security_level", "smtpd_use_tls", "smtpd_enforce_tls")
	rest := []knob{
		{"smtpd_tls_auth_only", []string{"yes", "no", "Yes"}},
		{"smtpd_sasl_auth_enable", []string{"yes", "no"}},
		{"smtpd_discard_ehlo_keywords", []string{"chunking", "chunking, STARTTLS"}},
	}
	looks := 0
	for n := range *count {
		r := random(t, n)
		// Most listeners of most configurations do TLS.
		main := auth + "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = " + b.rsa + "\nsmtpd_client_connection_rate_limit = 0\n" +
			mainLines(slices.Concat(set(r, 0.3, levels), set(r, 0.3, b.certificates(prefix)), set(r, 0.25, engine(prefix, v)), set(r, 0.4, rest)))
		var services []string
		for range 6 {
			s := "%s inet n - n - - smtpd" + overrides(r, slices.Concat(set(r, 0.2, levels), set(r, 0.15, b.certificates(prefix)), set(r, 0.15, engine(prefix, v)), set(r, 0.15, rest)))
			if r.IntN(5) == 0 {
				s += " -o smtpd_tls_wrappermode=yes"
			}
			services = append(services, s)
		}
		s := lab.Postfix(t, main, services...)
		p := look(t, s)
		if len(p.Listeners) != len(services) {
			t.Fatalf("%d listeners of %d", len(p.Listeners), len(services))
		}
		for i, l := range p.Listeners {
			looks++
			if diff := cmp.Diff(promised(l), meet(t, s.Addrs[i], l), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("configuration %d\n%s%s\n(promised -, met +)\n%s", n, main, services[i], diff)
			}
		}
		s.Stop()
	}
	t.Logf("%d listeners of %d configurations of Postfix %s", looks, *count, v)
}

// TestScreens is TestListeners for postscreen: for a client that it tests in a
// conversation of its own, and for one that it hands to the smtpd behind it.
func TestScreens(t *testing.T) {
	lab.NeedRoot(t)
	v, b := version(t), newBed(t)
	for n := range *count/4 + 1 {
		r := random(t, 1000+n)
		main := "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = " + b.rsa + "\npostscreen_access_list = permit_mynetworks\n" +
			"postscreen_client_connection_count_limit = 100\npostscreen_cache_map =\n" +
			mainLines(slices.Concat(
				set(r, 0.12, duties("smtpd_tls_security_level", "smtpd_use_tls", "smtpd_enforce_tls")), set(r, 0.3, b.certificates("smtpd_tls_")), set(r, 0.2, engine("smtpd_tls_", v)),
				set(r, 0.12, duties("postscreen_tls_security_level", "postscreen_use_tls", "postscreen_enforce_tls")),
				set(r, 0.12, duties("tlsproxy_tls_security_level", "tlsproxy_use_tls", "tlsproxy_enforce_tls"))))
		master := "%s inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd" + overrides(r, set(r, 0.2, engine("smtpd_tls_", v)))
		if r.IntN(4) > 0 {
			master += "\ntlsproxy unix - - n - 0 tlsproxy" + overrides(r, slices.Concat(set(r, 0.2, engine("tlsproxy_tls_", v)), set(r, 0.2, b.certificates("tlsproxy_tls_"))))
		}
		const strangers = "%s inet n - n - 1 postscreen -o postscreen_access_list= -o postscreen_pipelining_enable=yes -o postscreen_greet_wait=1s"
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			s := lab.Postfix(t, main, master, strangers)
			p := look(t, s)
			if len(p.Listeners) != 4 {
				t.Fatalf("%d listeners of 4", len(p.Listeners))
			}
			for i, l := range []posture.Listener{p.Listeners[1], p.Listeners[2]} {
				if l.Dead == "" { // that of the postscreen ends the conversation too
					l.Dead = p.Listeners[2*i].Dead
				}
				want, got := promised(l), meet(t, s.Addrs[i], l)
				want.AUTH, got.AUTH = false, false // logins are for ports that no postscreen guards
				if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s\n%s%s\n(promised -, met +)\n%s", l.ID(), main, master, diff)
				}
			}
		})
	}
}
