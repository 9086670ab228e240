package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"postseal/certs"
	"postseal/cmd/cli"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/report"
	"postseal/internal/session"
	"postseal/internal/sink"
)

// internet is this machine, but for its resolver, its clock, and where connections to
// ports 25 and 443 go.
type internet struct {
	host.Local
	resolver string
	now      time.Time
	ports    map[string]string // address and port to those that stand for them
	queue    string            // what postqueue -j prints
}

func (m *internet) Now() time.Time { return m.now }

func (m *internet) ReadFile(path string) ([]byte, error) {
	if path == "/etc/resolv.conf" {
		return []byte("nameserver 127.0.0.1\n"), nil
	}
	return m.Local.ReadFile(path)
}

func (m *internet) LookUp(ctx context.Context, server, name string, kind uint16) (host.Answer, error) {
	if server != "127.0.0.1:53" { // a name server of the zone
		return m.Local.LookUp(ctx, server, name, kind)
	}
	if name == "." { // it validates, as the zone shows
		return host.Answer{RCode: "NOERROR", AD: true, Records: []string{"a."}}, nil
	}
	return m.Local.LookUp(ctx, m.resolver, name, kind)
}

func (m *internet) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	to, ok := m.ports[addr]
	if !ok {
		to = "127.0.0.1:1" // nothing listens there
	}
	return m.Local.Dial(ctx, network, to)
}

func (m *internet) Run(ctx context.Context, name string, args ...string) (host.Output, error) {
	if name == "postqueue" {
		return host.Output{Stdout: m.queue}, nil
	}
	return m.Local.Run(ctx, name, args...)
}

// policyBed is a zone, mail servers, and a Postfix that is configured and does
// not run.
type policyBed struct {
	*internet
	t      *testing.T
	zone   *lab.Zone
	ids    *sink.Identities
	dir    string
	policy string // what the MTA-STS server of s.test sends
}

// web is the CA of the web servers: a process reads the CAs of the system once.
var web struct {
	sync.Once
	ca *lab.CA
}

func newPolicyBed(t *testing.T) *policyBed {
	t.Helper()
	lab.NeedRoot(t)
	lab.Need(t, "postmap", "postconf")
	b := &policyBed{t: t, zone: lab.NewZone(t, "test."), dir: lab.Dir(t)}
	b.internet = &internet{resolver: b.zone.Resolver, now: time.Now(), ports: map[string]string{}}
	var err error
	if b.ids, err = sink.NewIdentities("mx.s.test"); err != nil {
		t.Fatal(err)
	}
	web.Do(func() { web.ca = lab.NewCA(t) })
	b.serve("127.0.0.11", "trusted")
	b.web(web.ca)
	lab.Write(t, b.dir, "ca.pem", b.ids.RootPEM, 0o644)
	t.Setenv("SSL_CERT_FILE", lab.Write(t, b.dir, "web.pem", web.ca.RootPEM, 0o644)) // for HTTPS alone
	b.main("")
	lab.Write(t, b.dir, "conf/master.cf", "smtp inet n - n - - smtpd\nsmtp unix - - n - - smtp\n", 0o644)
	return b
}

// main writes main.cf.
func (b *policyBed) main(more string) {
	lab.Write(b.t, b.dir, "conf/main.cf", "compatibility_level = 3.6\nmyhostname = mx.here.test\nsmtp_tls_security_level = may\nsmtp_dns_support_level = dnssec\nsmtp_tls_CAfile = "+b.dir+"/ca.pem\nmaillog_file = "+b.dir+"/log\nmaillog_file_prefixes = "+b.dir+"\n"+more, 0o644)
}

// serve starts a mail server that stands for port 25 of an address.
func (b *policyBed) serve(addr, behaviour string) {
	b.t.Helper()
	one, _ := sink.Named(behaviour)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = (&sink.Server{Behaviour: one, Host: "mx.s.test", Identities: b.ids}).Serve(ctx, l)
	}()
	b.t.Cleanup(func() { cancel(); <-done })
	b.ports[addr+":25"] = l.Addr().String()
}

// web starts the MTA-STS server of s.test.
func (b *policyBed) web(ca *lab.CA) {
	b.t.Helper()
	i := ca.Issue(b.t, lab.Leaf{Names: []string{"mta-sts.s.test"}})
	pair, err := tls.X509KeyPair([]byte(i.Cert+ca.IntermediatePEM), []byte(i.Key))
	if err != nil {
		b.t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, b.policy)
	}))
	s.TLS, s.Config.ErrorLog = &tls.Config{Certificates: []tls.Certificate{pair}}, log.New(io.Discard, "", 0)
	s.StartTLS()
	b.t.Cleanup(s.Close)
	b.ports["127.0.0.12:443"] = s.Listener.Addr().String()
}

// run runs the program and returns its exit code and what it said.
func (b *policyBed) run(args ...string) (int, string) {
	b.t.Helper()
	var out bytes.Buffer
	a := &app{Run: &cli.Run{Ctx: context.Background(), Machine: &host.Recorder{Machine: b.internet}, In: os.Stdin, Out: &out, Err: &out, Unanswered: session.ErrAnswers}}
	code := a.Execute(a.root(), append(args, "--config-dir", b.dir+"/conf", "--state-dir", b.dir+"/state", "--certs-dir", b.dir+"/etc/certs", "--answers", b.dir+"/answers.toml"))
	return code, out.String()
}

func (b *policyBed) must(want int, args ...string) string {
	b.t.Helper()
	code, out := b.run(args...)
	if code != want {
		b.t.Fatalf("%v: exit code %d, not %d\n%s", args, code, want, out)
	}
	return out
}

// table is what the policy table is called in main.cf.
func (b *policyBed) table() string {
	b.t.Helper()
	tables, _ := filepath.Glob(b.dir + "/etc/tls_policy*.db")
	if len(tables) != 1 {
		b.t.Fatalf("%q", tables)
	}
	return "hash:" + strings.TrimSuffix(tables[0], ".db")
}

// has asks Postfix for the entry of a domain.
func (b *policyBed) has(domain string) string {
	b.t.Helper()
	o, err := host.Local{}.Run(context.Background(), "postmap", "-c", b.dir+"/conf", "-q", domain, b.table())
	if err != nil || o.Stderr != "" {
		b.t.Fatalf("%v %s", err, o.Stderr)
	}
	return strings.TrimSpace(o.Stdout)
}

const enforced = "version: STSv1\nmode: enforce\nmx: *.s.test\nmx: 192.0.2.1\nnmx: evil.test\nmax_age: 604800\n"

// TestPolicySync: a domain with MTA-STS and one with DANE go from nothing to their levels
// by the verbs alone, and back when they withdraw what they published; an attack on the
// lookups changes nothing.
func TestPolicySync(t *testing.T) {
	b := newPolicyBed(t)
	lab.Write(t, b.dir, "answers.toml", "", 0o600)
	b.policy = enforced
	good, err := b.ids.TLSA(sink.Good)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := certs.ParseTLSA(good); err != nil {
		t.Fatal(err)
	}
	b.zone.Set("s.test. 300 IN MX 10 mx.s.test.", "d.test. 300 IN MX 10 mx.s.test.", "mx.s.test. 300 IN A 127.0.0.11", "mta-sts.s.test. 300 IN A 127.0.0.12",
		`_mta-sts.s.test. 300 IN TXT "v=STSv1; id=1;"`)
	if code, out := b.run("policy", "sync"); code != 0 {
		t.Fatalf("%d %s", code, out)
	}
	out := b.must(0, "policy", "suggest", "s.test")
	if !strings.Contains(out, "proposed: secure match=.s.test servername=hostname: its MTA-STS policy has mode enforce") || !strings.Contains(out, "none of 1 session\n") {
		t.Errorf("%s", out)
	}
	sync := func(args ...string) []string {
		return append([]string{"policy", "sync", "--clean", "1", "--span", "20h"}, args...)
	}
	b.must(0, sync("s.test")...)
	if got := b.has("s.test"); got != "" {
		t.Errorf("in force at once: %s", got)
	}
	b.now = b.now.Add(21 * time.Hour)
	if out := b.must(3, sync("--dry-run")...); !strings.Contains(out, "s.test: no entry -> secure match=.s.test servername=hostname (proved)") || b.has("s.test") != "" {
		t.Errorf("%s", out)
	}
	if out := b.must(0, sync()...); !strings.Contains(out, "postseal apply") || !strings.Contains(out, "policy undo") || b.has("s.test") != "secure match=.s.test servername=hostname" {
		t.Errorf("%s", out)
	}
	if out := b.must(0, sync()...); !strings.Contains(out, "nothing has changed") {
		t.Errorf("%s", out)
	}
	if out := b.must(3, "plan", "--role", "sender", "--policy", "evidence"); !strings.Contains(out, "smtp_tls_policy_maps = hash:"+b.dir+"/etc/tls_policy") {
		t.Errorf("%s", out)
	}

	// Without its evidence the table would be emptied: it stays as it is.
	state, _ := filepath.Glob(b.dir + "/state/policy*.json")
	if len(state) != 1 {
		t.Fatal(state)
	}
	if err := os.Rename(state[0], state[0]+".gone"); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{sync(), sync("--dry-run"), {"policy", "pin", "d.test", "encrypt"}} {
		if code, out := b.run(args...); code == 0 || code == 3 || !strings.Contains(out, "is gone") || !strings.Contains(out, "rm "+b.dir) || b.has("s.test") == "" {
			t.Errorf("%v: %d %s", args, code, out)
		}
	}
	if out := b.must(1, "policy", "list"); !strings.Contains(out, "is gone") || !strings.Contains(out, ".db") {
		t.Errorf("%s", out)
	}
	if err := os.Rename(state[0]+".gone", state[0]); err != nil {
		t.Fatal(err)
	}
	if out := b.must(0, "policy", "list", "s.test"); !strings.Contains(out, "in the table, which Postfix does not read yet: secure") {
		t.Errorf("%s", out)
	}

	// A run that was killed between the text and the table is made again.
	tables, _ := filepath.Glob(b.dir + "/etc/tls_policy*.db")
	if o, err := (host.Local{}).Run(context.Background(), "postmap", "-c", b.dir+"/conf", "-d", "s.test", "hash:"+strings.TrimSuffix(tables[0], ".db")); err != nil || o.Code != 0 {
		t.Fatal(err, o.Stderr)
	}
	b.must(3, sync("--dry-run")...)
	if out := b.must(0, sync()...); !strings.Contains(out, "was written again") {
		t.Errorf("%s", out)
	}
	if got := b.has("s.test"); got == "" {
		t.Error("the table stays as a killed run left it")
	}

	// The record is gone, the web server too, and the MX record leads elsewhere: an attack.
	was := b.ports["127.0.0.12:443"]
	delete(b.ports, "127.0.0.12:443")
	b.zone.Remove("_mta-sts.s.test.", 16)
	b.serve("127.0.0.11", "stripped")
	b.now = b.now.Add(25 * time.Hour)
	b.must(0, sync()...) // Postfix does not read the table yet: no mail waits for it
	b.main("smtp_tls_policy_maps = " + b.table() + "\n")
	b.now = b.now.Add(time.Hour)
	if out := b.must(3, sync()...); !strings.Contains(out, "No server of s.test has met level secure since") || !strings.Contains(out, "postseal why s.test") {
		t.Errorf("%s", out)
	}
	if got := b.has("s.test"); got != "secure match=.s.test servername=hostname" {
		t.Errorf("under attack: %s", got)
	}
	// The queue says so too.
	b.queue = `{"queue_id":"4ABC123DEF","arrival_time":1800000000,"recipients":[{"address":"x@S.test","delay_reason":"TLS is required, but was not offered by host mx1.s.test[192.0.2.1]"},{"address":"y@s.test","delay_reason":"TLS is required, but was not offered by host mx1.s.test[192.0.2.1]"}]}
{"queue_id":"4ABC123DF0","arrival_time":1800003600,"recipients":[{"address":"x@s.test","delay_reason":"TLS is required, but was not offered by host mx2.s.test[192.0.2.2]"}]}
{"queue_id":"4ABC123DF1","arrival_time":1800003600,"recipients":[{"address":"x@s.test","delay_reason":"mailbox full"}]}
`
	for _, args := range [][]string{sync(), {"watch"}} {
		if out := b.must(3, args...); !strings.Contains(out, "s.test: 2 messages wait because of TLS since 2027-01-15 08:00 UTC, and Postfix returns the oldest on 2027-01-20 08:00 UTC: TLS is required") ||
			!strings.Contains(out, "postseal why") || strings.Contains(out, "mailbox") {
			t.Errorf("%s", out)
		}
	}
	b.queue = ""
	// A policy by HTTPS that withdraws it is none.
	b.ports["127.0.0.12:443"] = was
	b.policy = strings.Replace(enforced, "enforce", "testing", 1)
	b.zone.Set(`_mta-sts.s.test. 300 IN TXT "v=STSv1; id=2;"`)
	b.now = b.now.Add(25 * time.Hour)
	if out := b.must(0, sync()...); !strings.Contains(out, "(mta-sts-off)") || strings.Contains(b.has("s.test"), "secure") {
		t.Errorf("%s%s", out, b.has("s.test"))
	}

	// Orders, and undo.
	b.must(0, "policy", "pin", "d.test", "dane-only")
	if got := b.has("d.test"); got != "dane-only" {
		t.Errorf("pinned: %s", got)
	}
	until := b.now.AddDate(0, 0, 3).UTC().Format(time.DateOnly)
	b.must(0, "policy", "except", "d.test", "--until", until, "--reason", "their records are wrong")
	if out := b.must(1, "policy", "pin", "--remove", "c.test"); !strings.Contains(out, "neither a pin nor an exception") {
		t.Errorf("%s", out)
	}
	b.must(0, "policy", "except", "--remove", "d.test")
	if got := b.has("d.test"); got != "dane-only" {
		t.Errorf("the pin that the exception replaced: %q", got)
	}
	if out := b.must(1, "policy", "except", "--remove", "d.test"); !strings.Contains(out, "d.test has a pin and no exception") {
		t.Errorf("%s", out)
	}
	b.must(0, "policy", "except", "d.test", "--until", until, "--reason", "their records are wrong")
	b.schema(t, "policy", "list", "--json", "d.test")
	b.must(0, "policy", "undo")
	if got := b.has("d.test"); got != "dane-only" {
		t.Errorf("undone: %q", got)
	}
	b.must(0, "policy", "undo")
	if got := b.has("d.test"); got != "" {
		t.Errorf("undone twice: %q", got)
	}
	for _, args := range [][]string{
		{"policy", "pin", "d.test", "seccure"}, {"policy", "pin", "[d.test]:25", "may"}, {"policy", "except", "d.test", "--until", "2001-01-01", "--reason", "x"},
		{"policy", "except", "d.test", "--until", until}, {"policy", "except", "--remove", "d.test", "--until", until}, {"policy", "pin", "--remove", "d.test", "--reason", "x"}, {"policy", "sync", "--clean", "-1"}, {"policy", "sync", "192.0.2.1"},
	} {
		b.must(2, args...)
	}
	b.schema(t, "policy", "list", "--json")
	b.schema(t, "policy", "suggest", "--json", "s.test", "d.test")
	b.schema(t, "policy", "sync", "--json", "s.test")
}

// schema runs a verb and validates its JSON.
func (b *policyBed) schema(t *testing.T, args ...string) {
	t.Helper()
	code, out := b.run(args...)
	var schema, got any
	if err := json.Unmarshal(report.PolicySchema, &schema); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 {
		t.Fatalf("%v: %d %v\n%s", args, code, err, out)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("policy.json", schema); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("policy.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(got); err != nil {
		t.Errorf("%v: %v\n%s", args, err, out)
	}
}

// TestDestinationsOfTheLog: without domains, suggest and sync cover those to which the log
// tells of mail.
func TestDestinationsOfTheLog(t *testing.T) {
	b := newPolicyBed(t)
	lab.Write(t, b.dir, "answers.toml", "", 0o600)
	b.zone.Set("s.test. 300 IN MX 10 mx.s.test.", "mx.s.test. 300 IN A 127.0.0.11")
	at := b.now.Add(-time.Hour).Format(time.RFC3339)
	log := lab.Write(t, b.dir, "mail.log", at+" mx postfix/smtp[9]: Trusted TLS connection established to mx.s.test[192.0.2.5]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n"+
		at+" mx postfix/smtp[9]: 4ABC123DEF: to=<x@s.test>, relay=mx.s.test[192.0.2.5]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)\n", 0o644)
	b.main("maillog_file = " + log + "\n")
	if out := b.must(0, "policy", "suggest", "--no-handshakes"); !strings.Contains(out, "s.test (1 message)") {
		t.Errorf("%s", out)
	}
	b.must(0, "policy", "sync", "--no-handshakes")
	if out := b.must(0, "policy", "list"); !strings.Contains(out, "s.test") {
		t.Errorf("%s", out)
	}
}

// TestOwnTables: an entry of the administrator counts, also one for a parent of the domain in
// a table that only Postfix can read; and where it cannot be read, nothing is changed.
func TestOwnTables(t *testing.T) {
	b := newPolicyBed(t)
	lab.Write(t, b.dir, "answers.toml", "", 0o600)
	b.zone.Set("a.b.test. 300 IN MX 10 mx.b.test.", "mx.b.test. 300 IN A 127.0.0.11")
	own := lab.Write(t, b.dir, "own.re", "/^\\.b\\.test$/ encrypt\n", 0o644)
	b.main("smtp_tls_policy_maps = regexp:" + own + "\n")
	if out := b.must(1, "policy", "pin", "a.b.test", "verify"); !strings.Contains(out, "your own entry for a.b.test counts: regexp:"+own) {
		t.Errorf("%s", out)
	}
	b.must(0, "policy", "pin", "c.test", "encrypt")
	if b.has("c.test") != "encrypt" {
		t.Error("the entry of another domain bars this one")
	}
	b.main("smtp_tls_policy_maps = regexp:" + own + ".missing\n")
	for _, args := range [][]string{{"policy", "sync", "--no-handshakes"}, {"policy", "pin", "d.test", "encrypt"}, {"policy", "list", "d.test"}} {
		if out := b.must(1, args...); !strings.Contains(out, "asking regexp:"+own+".missing for ") || !strings.Contains(out, "smtp_tls_policy_maps") {
			t.Errorf("%q: %s", args, out)
		}
	}
	if b.has("d.test") != "" || b.has("c.test") != "encrypt" {
		t.Error("a table that cannot be asked counts as one without an entry")
	}
}

// TestWhy: the verb names the level that counts and its line, what TLS holds back and
// until when, and the exception; hostile text in the queue prints as text.
func TestWhy(t *testing.T) {
	b := newPolicyBed(t)
	lab.Write(t, b.dir, "answers.toml", "", 0o600)
	b.zone.Set("d.test. 300 IN MX 10 mx.s.test.", "mx.s.test. 300 IN A 127.0.0.11")
	own := lab.Write(t, b.dir, "own", "# mine\nd.test encrypt\n", 0o644)
	b.main("smtp_tls_policy_maps = texthash:" + own + "\nmaximal_queue_lifetime = 2d\n")
	arrived := b.now.Add(-24 * time.Hour).Truncate(time.Second)
	b.queue = `{"queue_name":"deferred","queue_id":"4ABC123DEF","arrival_time":` + strconv.FormatInt(arrived.Unix(), 10) + `,"sender":"a@here.test","recipients":[{"address":"x@D.test","delay_reason":"TLS is required, but was not offered by host mx.s.test\u001b[31m"}]}
{"queue_id":"4ABC123DF0","arrival_time":1,"recipients":[{"address":"y@d.test","delay_reason":"mailbox full"}]}
not JSON
`
	for _, asked := range []string{"d.test", "x@d.test", "4ABC123DEF"} {
		out := b.must(0, "why", asked)
		for _, want := range []string{
			"Mail to d.test has TLS level encrypt: " + own + ":2", "MX mx.s.test, signed", "TLSA: none", "MTA-STS: no policy", "your own entry counts", "1 message waits because of TLS",
			"4ABC123DEF returned to its sender on " + arrived.Add(48*time.Hour).UTC().Format("2006-01-02 15:04"), "Your own entry at " + own + ":2 counts", "postqueue -c " + b.dir + "/conf -i 4ABC123DEF",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q:\n%s", asked, want, out)
			}
		}
		if strings.ContainsAny(out, "\x1b") || strings.Contains(out, "policy except") || strings.Contains(out, "1 message waits because of another reason: mailbox full") != (asked != "4ABC123DEF") {
			t.Errorf("%q", out)
		}
	}
	b.schema(t, "why", "--json", "d.test")
	b.must(1, "why", "4ABC123000")
	// Without an entry of one's own, what would release the message depends on the level.
	b.main("smtp_tls_security_level = encrypt\n")
	out := b.must(0, "why", "d.test")
	if apply, except := strings.Index(out, "  postseal apply "), strings.Index(out, "  postseal policy except "); apply < 0 || except < apply {
		t.Errorf("the table is not in use:\n%s", out)
	}
	if code, out := b.run("why", "--json", "d.test"); code != 0 || strings.Contains(out, `"exception"`) || !strings.Contains(out, `"4ABC123DEF"`) || strings.Contains(out, "4ABC123DF0") {
		t.Errorf("%d %s", code, out)
	}
	b.main("smtp_tls_security_level = encrypt\nrelayhost = [relay.test]\n")
	if out := b.must(0, "why", "d.test"); strings.Contains(out, "policy except") || !strings.Contains(out, "leaves by the relay host [relay.test]") {
		t.Errorf("relayhost:\n%s", out)
	}
	b.main("")
	if out := b.must(0, "why", "d.test"); strings.Contains(out, "policy except") || !strings.Contains(out, "No exception is needed") {
		t.Errorf("level may:\n%s", out)
	}
	b.must(0, "policy", "pin", "d.test", "dane-only")
	b.main("smtp_tls_policy_maps = " + b.table() + "\n")
	if out := b.must(0, "why", "d.test"); !strings.Contains(out, "  postseal policy except ") || strings.Contains(out, "postseal apply") {
		t.Errorf("pinned:\n%s", out)
	}
	b.schema(t, "why", "--json", "d.test")
	b.zone.Break(true)
	if out := b.must(0, "why", "gone.test"); !strings.Contains(out, "MTA-STS: not known") || !strings.Contains(out, "its mail servers are not known") || !strings.Contains(out, "1 lookup failed in a row") {
		t.Errorf("%s", out)
	}
	b.must(2, "why", "192.0.2.1")
}

// TestPolicyDrill: the attacks are played on a private Postfix, at the level in force and at
// the proposed one.
func TestPolicyDrill(t *testing.T) {
	b := newPolicyBed(t)
	lab.Write(t, b.dir, "answers.toml", "", 0o600)
	b.policy = enforced
	good, err := b.ids.TLSA(sink.Good)
	if err != nil {
		t.Fatal(err)
	}
	b.zone.Set("s.test. 300 IN MX 10 mx.s.test.", "d.test. 300 IN MX 10 mx.d.test.", "mx.s.test. 300 IN A 127.0.0.11", "mx.d.test. 300 IN A 127.0.0.11", "mta-sts.s.test. 300 IN A 127.0.0.12",
		`_mta-sts.s.test. 300 IN TXT "v=STSv1; id=1;"`, "_25._tcp.mx.d.test. 300 IN TLSA "+good)
	b.must(0, "policy", "sync", "s.test", "d.test")
	out := b.must(3, "policy", "drill")
	for _, want := range []string{
		"s.test\n  ✗ now, level may: STARTTLS is stripped: LEAKED in cleartext; the server is replaced: DELIVERED to the attacker; MX records are forged: held",
		"✓ proposed, level secure: STARTTLS is stripped: held; the server is replaced: held;", "✓ proposed, level dane-only: STARTTLS is stripped: held; the server is replaced: held;",
		"an attacker would get: 2 of 2 now, 0 at the proposed levels",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing:\n%s", want, out)
		}
	}
	b.main("smtp_tls_policy_maps = texthash:" + lab.Write(t, b.dir, "own", "s.test secure\n", 0o644) + "\n")
	if out := b.must(0, "policy", "drill", "s.test"); !strings.Contains(out, "✓ now, level secure") || strings.Contains(out, "proposed, level") || strings.Contains(out, "d.test") {
		t.Errorf("%s", out)
	}
	b.must(2, "policy", "drill", "--top", "0")
	b.schema(t, "policy", "drill", "s.test", "--json")
}

// TestPublishDomain: the steps for a domain of a real zone, from nothing to a policy in
// mode testing.
func TestPublishDomain(t *testing.T) {
	b := newPolicyBed(t)
	lab.Write(t, b.dir, "answers.toml", "", 0o600)
	b.zone.Set("s.test. 300 IN MX 10 mx.s.test.", "mx.s.test. 300 IN A 127.0.0.11", "mta-sts.s.test. 300 IN A 127.0.0.12")
	servers := b.zone.NameServers(t, "ns1.test", "ns2.test")
	b.policy = "nothing"
	out := b.must(3, "publish", "s.test", "--reports-to", "tls@here.test")
	for _, want := range []string{
		`_smtp._tls.s.test. 3600 IN TXT "v=TLSRPTv1; rua=mailto:tls@here.test"`, "+ serve now, at https://mta-sts.s.test/.well-known/mta-sts.txt: ",
		"    mode: testing\n    mx: mx.s.test\n", "+ add afterwards: once the policy is served", `_mta-sts.s.test. 3600 IN TXT "v=STSv1; id=`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing:\n%s", want, out)
		}
	}
	if out := b.must(3, "publish", "s.test", "--nsupdate"); out != "update add _smtp._tls.s.test. 3600 TXT \"v=TLSRPTv1; rua=mailto:postmaster@s.test\"\nsend\n" {
		t.Errorf("%q", out)
	}
	b.zone.Set(`_smtp._tls.s.test. 300 IN TXT "v=TLSRPTv1; rua=mailto:postmaster@s.test"`, `_mta-sts.s.test. 300 IN TXT "v=STSv1; id=1;"`)
	b.policy = strings.Replace(enforced, "mx: *.s.test", "mx: mx.s.test", 1)
	if out := b.must(0, "publish", "s.test"); !strings.Contains(out, "nothing to do") {
		t.Errorf("%s", out)
	}
	servers[1].Stop(true)
	b.zone.Set(`_mta-sts.s.test. 300 IN TXT "v=STSv1; id=2;"`)
	if out := b.must(3, "publish", "s.test"); !strings.Contains(out, "its name servers do not have the same records: ns2.test differs") {
		t.Errorf("%s", out)
	}
	servers[1].Stop(false)
	for _, wrong := range [][]string{{"publish", "s.test", "--reports-to", "x y@here.test"}, {"publish", "s.test", "--reports-to", "x@here"}} {
		b.must(2, wrong...)
	}
	if out := b.must(2, "publish", "s test"); !strings.Contains(out, "not a domain") {
		t.Errorf("%s", out)
	}
	if out := b.must(1, "publish", "nothing.test"); !strings.Contains(out, "nothing.test has neither MX records nor an address in DNS") {
		t.Errorf("%s", out)
	}
}
