package probe_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postseal/internal/lab"
	"postseal/internal/probe"
)

// serve starts openssl s_server. What it gets on its standard input it sends to
// whoever is connected: here the replies of a mail server, all that a
// client waits for at once.
func serve(t *testing.T, args ...string) probe.Target {
	t.Helper()
	addr := lab.Addr(t)
	in, ended, ready := launch(t, addr, "openssl", append([]string{"s_server", "-accept", addr, "-quiet", "-naccept", "100000"}, args...)...)
	go func() {
		reply := "220 s_server\r\n250-s_server\r\n250 SIZE\r\n221 bye\r\n"
		for {
			select {
			case <-ended:
				return
			case <-time.After(time.Millisecond): // or it does nothing but send
			}
			if _, err := io.WriteString(in, reply); err != nil {
				return
			}
		}
	}()
	ready()
	return probe.Target{Addr: addr, Implicit: true}
}

// launch starts the server of a library until the test ends. ready waits until it
// listens.
func launch(t *testing.T, addr, name string, args ...string) (in io.Writer, ended <-chan struct{}, ready func()) {
	t.Helper()
	lab.Need(t, name)
	cmd := exec.Command(name, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() { _ = cmd.Wait(); close(over) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-over })
	return in, over, func() {
		for deadline := time.Now().Add(10 * time.Second); ; {
			c, err := net.Dial("tcp", addr)
			if err == nil {
				_ = c.Close()
				return
			}
			select {
			case <-over:
				t.Fatalf("%s ended: %s", name, said.String())
			case <-time.After(20 * time.Millisecond):
			}
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
	}
}

// TestGnuTLS: a server that chooses does not need the curve of its certificate
// among those of the client, if it is not OpenSSL.
func TestGnuTLS(t *testing.T) {
	i := lab.NewCA(t).Issue(t, lab.Leaf{})
	dir := lab.Dir(t)
	key, cert := lab.Write(t, dir, "key.pem", i.Key, 0o600), lab.Write(t, dir, "cert.pem", i.Cert, 0o600)
	addr := lab.Addr(t)
	_, port, _ := net.SplitHostPort(addr)
	_, _, ready := launch(t, addr, "gnutls-serv", "--quiet", "--echo", "--port", port, "--x509keyfile", key, "--x509certfile", cert, "--priority", "NORMAL:-VERS-TLS1.3:%SERVER_PRECEDENCE")
	ready()
	e, err := probe.Enumerate(context.Background(), probe.Target{Addr: addr, Implicit: true}, probe.Options{Quick: true, Timeout: 10 * time.Second})
	if err != nil || e.Incomplete {
		t.Fatalf("%+v, %v", e, err)
	}
	var want []string
	for group, name := range map[string]string{"X25519": "x25519", "SECP256R1": "secp256r1", "X448": "x448", "SECP384R1": "secp384r1", "SECP521R1": "secp521r1"} {
		cmd := exec.Command("gnutls-cli", "--no-ca-verification", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-GROUP-ALL:+GROUP-"+group, "--port", port, "127.0.0.1")
		if said, _ := cmd.CombinedOutput(); strings.Contains(string(said), "Handshake was completed") {
			want = append(want, name)
		}
	}
	slices.Sort(want)
	got := slices.Sorted(slices.Values(e.Curves))
	if len(want) < 4 || !slices.Equal(got, want) || e.Versions[len(e.Versions)-1].Chooses != "server" {
		t.Errorf("%v, not %v; %+v", got, want, e.Versions)
	}
}

// TestServers: of servers that Postfix cannot be, what is found is what a client
// of OpenSSL finds.
func TestServers(t *testing.T) {
	ca := lab.NewCA(t)
	dir := lab.Dir(t)
	pem := func(name string, l lab.Leaf) string {
		i := ca.Issue(t, l)
		return lab.Write(t, dir, name, i.Key+i.Cert, 0o600)
	}
	ec, rs, other := pem("ec.pem", lab.Leaf{}), pem("rsa.pem", lab.Leaf{RSA: true}), pem("other.pem", lab.Leaf{Names: []string{"other.example.org"}})
	ask := func(t *testing.T, target probe.Target, name string) *probe.Enumeration {
		t.Helper()
		e, err := probe.Enumerate(context.Background(), target, probe.Options{ServerName: name, Timeout: 20 * time.Second})
		if err != nil || e.Incomplete {
			t.Fatalf("%s %s %v: %+v", e.Refused, e.Problem, err, e)
		}
		return e
	}
	agree := func(t *testing.T, target probe.Target, e *probe.Enumeration) {
		t.Helper()
		if d := cmp.Diff(truth(t, target.Addr, false), found(e)); d != "" {
			t.Errorf("(-OpenSSL +ours)\n%s", d)
		}
	}
	t.Run("server's order, DHE", func(t *testing.T) {
		target := serve(t, "-cert", rs, "-tls1_2", "-serverpref", "-cipher", "DHE-RSA-AES256-SHA:AES128-SHA:DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0")
		e := ask(t, target, "")
		agree(t, target, e)
		var order []string
		for _, s := range e.Versions[0].Suites {
			order = append(order, s.OpenSSL)
		}
		if d := cmp.Diff([]string{"DHE-RSA-AES256-SHA", "AES128-SHA", "DHE-RSA-AES128-GCM-SHA256"}, order); d != "" || e.Versions[0].Chooses != "server" || e.Versions[0].Suites[0].DHBits < 2048 {
			t.Errorf("%s %+v", d, e.Versions[0])
		}
	})
	t.Run("renegotiation, sessions by number", func(t *testing.T) {
		e := ask(t, serve(t, "-cert", rs, "-tls1_2", "-no_ticket", "-client_renegotiation"), "")
		if e.Anew == nil || !*e.Anew || !e.Secure || e.Tickets || !slices.Equal(e.Resumes, []string{"TLS 1.2 session id"}) {
			t.Errorf("anew %v, secure %v, %v", e.Anew, e.Secure, e.Resumes)
		}
	})
	t.Run("no renegotiation, tickets", func(t *testing.T) {
		target := serve(t, "-cert", ec, "-no_cache")
		e := ask(t, target, "")
		if e.Anew == nil || *e.Anew || !e.Secure || !slices.Equal(e.Resumes, []string{"TLS 1.2 ticket", "TLS 1.3 ticket"}) {
			t.Errorf("anew %v, secure %v, %v", e.Anew, e.Secure, e.Resumes)
		}
	})
	t.Run("names", func(t *testing.T) {
		e := ask(t, serve(t, "-cert", ec, "-servername", "other.example.org", "-cert2", other, "-key2", other, "-servername_fatal"), "other.example.org")
		if len(e.Names) != 3 || e.Names[0].Certificate == e.Names[1].Certificate || e.Names[1].Certificate == "" || e.Names[2].Certificate != "" || !strings.Contains(e.Names[2].Refused, "unrecognized name") {
			t.Errorf("%+v", e.Names)
		}
	})
	t.Run("SHA-1", func(t *testing.T) {
		e := ask(t, serve(t, "-cert", rs, "-tls1_2", "-cipher", "ECDHE:@SECLEVEL=0", "-sigalgs", "RSA+SHA1:RSA-PSS+SHA256"), "")
		if d := cmp.Diff([]string{"rsa_pkcs1_sha1", "rsa_pss_rsae_sha256"}, slices.Sorted(slices.Values(e.Versions[0].Signatures))); d != "" {
			t.Error(d)
		}
	})
}

// found is what an enumeration found, as truth has it.
func found(e *probe.Enumeration) map[string][]string {
	out := map[string][]string{}
	for _, v := range e.Versions {
		for _, s := range v.Suites {
			out[v.Name] = append(out[v.Name], s.OpenSSL)
		}
		slices.Sort(out[v.Name])
	}
	return out
}

// TestOldest: a server of the time of SSL 3.0, with what was thought to be weak
// on purpose. Nothing that can be had speaks that any more.
func TestOldest(t *testing.T) {
	takes := []uint16{0x0005, 0x000A, 0x0014, 0x0003} // RC4, 3DES, exports
	addr := probe.Serve(t, func(conn net.Conn) {
		w := wire{conn, reader(conn)}
		version, suites := w.starttls()
		i := slices.IndexFunc(takes, func(id uint16) bool { return slices.Contains(suites, id) })
		if version != 0x0300 || i < 0 {
			alerted(w)
			return
		}
		flight := accept(0x0300, takes[i])
		if takes[i] == 0x0014 { // a prime of 512 bits
			prime := append([]byte{0, 64}, bytes.Repeat([]byte{0xFF}, 64)...)
			flight = append(flight, message(12, append(append(prime, 0, 1, 2, 0, 1, 4), 0, 2, 1, 1))...)
		}
		w.say(strings.ReplaceAll(records(22, append(flight, message(14, nil)...)), "\x16\x03\x03", "\x16\x03\x00"))
	})
	e, err := probe.Enumerate(context.Background(), probe.Target{Addr: addr}, probe.Options{})
	if err != nil || e.Incomplete || len(e.Versions) != 1 {
		t.Fatalf("%s %s %v: %+v", e.Refused, e.Problem, err, e)
	}
	v := e.Versions[0]
	want := map[string][]string{"SSL 3.0": {"DES-CBC3-SHA", "EXP-EDH-RSA-DES-CBC-SHA", "EXP-RC4-MD5", "RC4-SHA"}}
	if d := cmp.Diff(want, found(e)); d != "" || v.Chooses != "server" || v.Suites[2].DHBits != 512 {
		t.Errorf("%s %+v", d, v)
	}
}

var nodes = flag.String("nodes", "", "`folder` with node4 and node24, whose OpenSSL is 1.0.2 and 3.5 (make probe-oracles)")

// node starts a server on a Node.js of another time.
func node(t *testing.T, which, options string) probe.Target {
	t.Helper()
	if *nodes == "" {
		t.Skip("make probe-oracles runs it")
	}
	ca := lab.NewCA(t)
	dir := lab.Dir(t)
	i := ca.Issue(t, lab.Leaf{RSA: true})
	lab.Write(t, dir, "key.pem", i.Key, 0o600)
	lab.Write(t, dir, "cert.pem", i.Cert, 0o600)
	addr := lab.Addr(t)
	host, port, _ := net.SplitHostPort(addr)
	script := lab.Write(t, dir, "serve.js", `
var tls = require('tls'), fs = require('fs');
var o = `+options+`;
o.key = fs.readFileSync('key.pem'); o.cert = fs.readFileSync('cert.pem');
var s = tls.createServer(o, function (c) {
  c.on('error', function () {});
  c.write('220 here\r\n');
  c.on('data', function (d) { c.write(/QUIT/.test(d) ? '221 bye\r\n' : '250-here\r\n250 SIZE\r\n'); });
});
s.on('clientError', function () {}); s.on('tlsClientError', function () {});
s.listen(`+port+`, '`+host+`', function () { console.log('ready'); });
`, 0o644)
	cmd := exec.Command(filepath.Join(*nodes, which, "node_modules", "node", "bin", "node"), script)
	cmd.Dir = dir
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if line, err := reader(out).ReadString('\n'); err != nil {
		t.Fatalf("%q, %v", line, err)
	}
	return probe.Target{Addr: addr, Implicit: true}
}

// TestOldOpenSSL: 1.0.2 still has RC4, 3DES, IDEA, SEED and anonymous suites of
// these. The list is what it says of itself (openssl ciphers ALL:COMPLEMENTOFALL)
// without keys that this server has not.
func TestOldOpenSSL(t *testing.T) {
	target := node(t, "node4", `{ciphers: 'ALL:COMPLEMENTOFALL:!PSK:!SRP:!DSS:!kECDH:!ECDSA', secureProtocol: 'SSLv23_method', secureOptions: 0, dhparam: undefined}`)
	e, err := probe.Enumerate(context.Background(), target, probe.Options{})
	if err != nil || e.Incomplete {
		t.Fatalf("%s %s %v: %+v", e.Refused, e.Problem, err, e)
	}
	got := found(e)
	for _, v := range []string{"TLS 1.0", "TLS 1.1", "TLS 1.2"} {
		for _, want := range []string{"RC4-SHA", "RC4-MD5", "DES-CBC3-SHA", "IDEA-CBC-SHA", "SEED-SHA", "NULL-SHA", "NULL-MD5", "ECDHE-RSA-RC4-SHA", "AECDH-RC4-SHA"} {
			if !slices.Contains(got[v], want) {
				t.Errorf("%s: no %s in %v", v, want, got[v])
			}
		}
	}
	for v, list := range got {
		t.Logf("%s %d: %v", v, len(list), list)
	}
}

// TestMLKEM: all six groups with ML-KEM, on a server that has them all. In the
// race it is said how many of them the others name.
func TestMLKEM(t *testing.T) {
	target := node(t, "node24", `{ecdhCurve: 'X25519MLKEM768:SecP256r1MLKEM768:SecP384r1MLKEM1024:MLKEM512:MLKEM768:MLKEM1024:X25519:P-256'}`)
	e, err := probe.Enumerate(context.Background(), target, probe.Options{})
	if err != nil || e.Incomplete {
		t.Fatalf("%s %s %v: %+v", e.Refused, e.Problem, err, e)
	}
	var got []string
	for _, g := range e.Groups {
		if strings.Contains(g, "MLKEM") {
			got = append(got, g)
		}
	}
	slices.Sort(got)
	if d := cmp.Diff([]string{"MLKEM1024", "MLKEM512", "MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024", "X25519MLKEM768"}, got); d != "" {
		t.Error(d)
	}
	if !*peers {
		return
	}
	name := regexp.MustCompile(`(?i)\w*ML-?KEM\w*`)
	fmt.Printf("of 6 groups with ML-KEM: postseal %d", len(got))
	for _, argv := range [][]string{
		{"sslscan", "--no-colour", target.Addr},
		{"nmap", "-Pn", "-n", "-p", target.Addr[strings.LastIndexByte(target.Addr, ':')+1:], "--script", "+ssl-enum-ciphers", "127.0.0.1"},
		{"testssl", "--warnings", "off", "--quiet", "--color", "0", "-n", "none", "-f", target.Addr},
	} {
		names := map[string]bool{}
		for _, n := range name.FindAllString(spend(t, argv...).said, -1) {
			names[strings.ToLower(n)] = true
		}
		fmt.Printf(", %s %d", argv[0], len(names))
	}
	fmt.Println()
}
