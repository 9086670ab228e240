package census_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/smtp"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postseal/internal/census"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/sink"
)

// client sends messages from an address, with one version of TLS or without any.
type client struct {
	from    string
	to      string
	version uint16
	fails   bool // the handshake
	domains []string
}

func (c client) send(t *testing.T) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(c.from)}, Timeout: 10 * time.Second}
	conn, err := d.Dial("tcp", c.to)
	if err != nil {
		t.Fatal(err)
	}
	s, err := smtp.NewClient(conn, "mx.example.org")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if c.version != 0 {
		err = s.StartTLS(&tls.Config{InsecureSkipVerify: true, MinVersion: c.version, MaxVersion: c.version}) //nolint:gosec // what comes out is logged
		if (err != nil) != c.fails {
			t.Fatalf("%s: %v", c.from, err)
		}
		if c.fails {
			return
		}
	}
	for _, domain := range c.domains {
		if err = s.Mail("a@example.org"); err == nil {
			err = s.Rcpt("b@" + domain)
		}
		if err != nil {
			t.Fatal(err)
		}
		w, err := s.Data()
		if err == nil {
			_, err = fmt.Fprint(w, "Subject: x\r\n\r\nx\r\n")
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	_ = s.Quit()
}

// startSink starts a test server and returns its port.
func startSink(t *testing.T, ids *sink.Identities, behaviour string) int {
	t.Helper()
	b, ok := sink.Named(behaviour)
	if !ok {
		t.Fatal(behaviour)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink.Server{Behaviour: b, Host: "mx.example.org", Identities: ids}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Serve(ctx, l) }()
	t.Cleanup(func() { cancel(); <-ended })
	return l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // of a TCP listener
}

// busy starts a Postfix that sends to test servers: of new.example in TLS 1.3, of
// plain.example without any, of refuses.example with an offer that comes to nothing. Mail to
// never.example needs TLS, which that server does not offer.
func busy(t *testing.T) *lab.Server {
	t.Helper()
	ids, err := sink.NewIdentities("mx.example.org")
	if err != nil {
		t.Fatal(err)
	}
	dir := lab.Dir(t)
	ca := lab.NewCA(t)
	leaf := ca.Issue(t, lab.Leaf{Names: []string{"localhost"}})
	lab.Write(t, dir, "leaf.pem", leaf.Key+leaf.Cert+ca.IntermediatePEM, 0o600)
	transport, policy := "", ""
	for domain, behaviour := range map[string]string{"new.example": "tls13-only", "plain.example": "no-starttls", "refuses.example": "starttls-refused", "never.example": "no-starttls"} {
		port := startSink(t, ids, behaviour)
		transport += fmt.Sprintf("{%s = smtp:[127.0.0.1]:%d} ", domain, port)
		if domain == "never.example" {
			policy = fmt.Sprintf("{[127.0.0.1]:%d = encrypt}", port)
		}
	}
	return lab.Postfix(t, "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = "+dir+"/leaf.pem\nsmtpd_tls_loglevel = 1\nsmtp_tls_loglevel = 1\nsmtp_tls_security_level = may\n"+
		"smtpd_tls_protocols = >=TLSv1.1\nsmtpd_peername_lookup = no\nsmtp_dns_support_level = disabled\ndestination_recipient_limit = 1\n"+
		"transport_maps = inline:{"+transport+"}\nsmtp_tls_policy_maps = inline:{"+policy+"}\n",
		"%s inet n - n - - smtpd\nsmtp unix - - n - - smtp", "%s inet n - n - - smtpd -o syslog_name=postfix-private/submission")
}

// await waits for something in a Postfix's log.
func await(t *testing.T, s *lab.Server, is func(text string) bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		text, err := os.ReadFile(s.LogPath())
		if err != nil {
			t.Fatal(err)
		}
		if is(string(text)) {
			break
		}
	}
}

// settled takes the census of a Postfix's log when all that was sent is there.
func settled(t *testing.T, s *lab.Server, sent int) *census.Census {
	t.Helper()
	await(t, s, func(text string) bool {
		return strings.Count(text, "status=sent") >= sent && strings.Count(text, "disconnect from ") >= 9 && strings.Contains(text, "status=deferred")
	})
	c, err := census.Read(context.Background(), host.Local{}, census.Sources{Log: s.Log()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestPostfix: the census of a real Postfix's log is what its clients and its
// destinations did, message by message.
func TestPostfix(t *testing.T) {
	lab.Need(t, "postfix")
	lab.NeedRoot(t)
	s := busy(t)
	// Until a handshake with a server is in the log, nothing is known to be in cleartext.
	client{from: "127.0.0.17", to: s.Addrs[0], domains: []string{"new.example"}}.send(t)
	await(t, s, func(text string) bool { return strings.Contains(text, "TLS connection established to") })
	for _, c := range []client{
		{from: "127.0.0.11", to: s.Addrs[0], version: tls.VersionTLS11, domains: []string{"new.example", "plain.example"}},
		{from: "127.0.0.12", to: s.Addrs[0], version: tls.VersionTLS12, domains: []string{"new.example"}},
		{from: "127.0.0.13", to: s.Addrs[1], version: tls.VersionTLS13, domains: []string{"refuses.example", "never.example"}},
		{from: "127.0.0.14", to: s.Addrs[0], domains: []string{"plain.example", "plain.example", "new.example"}},
		{from: "127.0.0.15", to: s.Addrs[0], version: tls.VersionTLS10, fails: true},
		{from: "127.0.0.15", to: s.Addrs[0], domains: []string{"plain.example"}},
		{from: "127.0.0.16", to: s.Addrs[0], version: tls.VersionTLS10, fails: true},
		{from: "127.0.0.1", to: s.Addrs[0], version: tls.VersionTLS12}, // as a probe
	} {
		c.send(t)
	}
	const sent = 9
	c := settled(t, s, sent)
	want := map[string]string{
		"unknown[127.0.0.11]":            "1/2 clear 0/0 TLSv1.1 1/2",
		"unknown[127.0.0.12]":            "1/1 clear 0/0 TLSv1.2 1/1",
		"submission unknown[127.0.0.13]": "1/2 clear 0/0 TLSv1.3 1/2",
		"unknown[127.0.0.14]":            "1/3 clear 1/3",
		"unknown[127.0.0.15]":            "2/1 clear 1/1 failed unsupported protocol 1 then cleartext",
		"unknown[127.0.0.17]":            "1/1 clear 1/1",
		"unknown[127.0.0.16]":            "1/0 clear 0/0 failed unsupported protocol 1 then never",
	}
	got := peers(c)
	for name := range got {
		if strings.Contains(name, ".example[") {
			delete(got, name) // how many connections there were is the queue manager's choice
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("clients (-want +got)\n%s", d)
	}
	outbound := map[string][4]int{"new.example": {4, 0, 4}, "plain.example": {4, 4}, "refuses.example": {1, 1}, "never.example": {3: 1}}
	sentTo := map[string][4]int{}
	for _, p := range c.Outbound.Peers {
		n := sentTo[p.Name]
		for _, u := range p.TLS {
			if u.Protocol == "TLSv1.3" {
				n[2] += u.Messages
			}
		}
		for _, d := range p.Deferred {
			if d.Reason == "TLS not offered" {
				n[3] += d.Count
			}
		}
		sentTo[p.Name] = [4]int{n[0] + p.Messages, n[1] + p.CleartextMessages.N, n[2], n[3]}
	}
	if d := cmp.Diff(outbound, sentTo); d != "" {
		t.Errorf("destinations: messages, cleartext, TLS 1.3, put off (-want +got)\n%s", d)
	}
	if c.LeftOut == 0 || c.Unreadable > 0 {
		t.Errorf("%d left out, %d not readable", c.LeftOut, c.Unreadable)
	}
	if t.Failed() {
		text, _ := os.ReadFile(s.LogPath())
		t.Logf("%s", text)
	}
}
