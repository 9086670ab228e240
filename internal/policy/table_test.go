package policy_test

import (
	"context"
	"net"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postseal/internal/dane"
	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/policy"
	"postseal/internal/postfix"
	"postseal/internal/sink"
)

// TestRender: what Postfix would not understand, or would read as another line, is not
// written.
func TestRender(t *testing.T) {
	c := postfix.Config{Version: postfix.V(3, 7, 11)}
	secure := policy.Entry{Level: "secure", Attributes: []string{"match=.a.test:mx.b.test", "servername=hostname"}, Reason: "a reason\nb.test none"}
	text, err := policy.Render(map[string]policy.Entry{"b.test": {Level: "dane-only", Reason: "r"}, "a.test": secure}, c)
	if err != nil || !strings.HasSuffix(text, "\n# a reason?b.test none\na.test secure match=.a.test:mx.b.test servername=hostname\n\n# r\nb.test dane-only\n") {
		t.Errorf("%v\n%s", err, text)
	}
	for name, x := range map[string]policy.Entry{
		"a.test": {Level: "seccure"}, "b.test": {Level: "encrypt", Attributes: []string{"match=b.test"}}, "c.test": {Level: "secure", Attributes: []string{"policy_ttl=3"}},
		"d.test": {Level: "secure", Attributes: []string{"match=a b"}}, "e.test\nf.test": {Level: "may"}, "192.0.2.1": {Level: "may"}, "g.test:25": {Level: "may"},
		"[h.test]": {Level: "may"}, "#i.test": {Level: "may"}, "J.test": {Level: "may"}, "k.test": {Level: "secure", Attributes: []string{"match=${x}"}},
		"l.test": {Level: "secure", Attributes: []string{"match="}}, "m.test": {Level: "secure", Attributes: []string{"policy_type=sts"}}, ".n.test": {Level: "may"},
	} {
		if text, err := policy.Render(map[string]policy.Entry{name: x}, c); err == nil {
			t.Errorf("%q: %s", name, text)
		}
	}
}

// TestTable: a real Postfix finds the entry in the table of each type that it has, the
// administrator's own table comes first, and an entry at level secure holds mail back
// where STARTTLS is stripped.
func TestTable(t *testing.T) {
	lab.NeedRoot(t)
	lab.Need(t, "postmap")
	dir := lab.Dir(t)
	ids, err := sink.NewIdentities("localhost")
	if err != nil {
		t.Fatal(err)
	}
	ca := lab.Write(t, dir, "ca.pem", ids.RootPEM, 0o644)
	own := lab.Write(t, dir, "own", "own.test may\n", 0o644)
	c := postfix.Config{Version: postfix.V(3, 7, 11)}
	entries := map[string]policy.Entry{
		"localhost": {Level: "secure", Attributes: []string{"match=localhost", "servername=hostname"}, Reason: "a test"}, "own.test": {Level: "dane-only", Reason: "a test"},
	}
	text, err := policy.Render(entries, c)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"hash", "texthash"} {
		t.Run(kind, func(t *testing.T) {
			table := policy.TableIn(filepath.Join(dir, kind), "", []string{kind})
			taken := map[string]int{}
			behaviours := []string{"trusted", "stripped", "wrong-name"}
			if kind == "texthash" {
				behaviours = behaviours[:2]
			}
			for _, behaviour := range behaviours {
				b, _ := sink.Named(behaviour)
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(context.Background())
				done := make(chan struct{})
				sessions := make(chan sink.Session, 10)
				go func() {
					defer close(done)
					_ = (&sink.Server{Behaviour: b, Host: "localhost", Identities: ids, Told: func(x sink.Session) { sessions <- x }}).Serve(ctx, l)
				}()
				_, port, _ := net.SplitHostPort(l.Addr().String())
				s := lab.Sender(t, l.Addr().String(), "relayhost = localhost\nsmtp_tcp_port = "+port+"\nsmtp_tls_security_level = may\nsmtp_tls_CAfile = "+ca+"\nsmtp_tls_policy_maps = texthash:"+own+", "+table.Name()+"\n")
				if err := table.Install(context.Background(), host.Local{}, s.Config(), text); err != nil {
					t.Fatal(err)
				}
				o, err := host.Local{}.Run(context.Background(), "postmap", "-c", s.Config(), "-q", "localhost", table.Name())
				if err != nil || o.Stdout != "secure match=localhost servername=hostname\n" {
					t.Fatalf("%v, %q %q", err, o.Stdout, o.Stderr)
				}
				if err := smtp.SendMail(s.Addrs[0], nil, "a@example.org", []string{"b@localhost.test"}, []byte("Subject: x\r\n\r\nx\r\n")); err != nil {
					t.Fatal(err)
				}
				select {
				case x := <-sessions:
					taken[behaviour] = len(x.Recipients)
				case <-time.After(20 * time.Second):
					log, _ := os.ReadFile(s.LogPath())
					t.Fatalf("%s: nobody came\n%s", behaviour, log)
				}
				cancel()
				<-done
			}
			if taken["trusted"] != 1 || taken["stripped"]+taken["wrong-name"] != 0 {
				t.Errorf("%v", taken)
			}
			left, _ := filepath.Glob(filepath.Join(dir, kind, "*.new*"))
			if len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
}

// TestLooseDANE: where the MX records are not signed, Postfix authenticates by TLSA records
// only if smtp_tls_dane_insecure_mx_policy is dane, whatever the entry says.
func TestLooseDANE(t *testing.T) {
	for main, works := range map[string]bool{
		"smtp_tls_security_level = may\n":                                              false,
		"smtp_tls_security_level = may\nsmtp_tls_dane_insecure_mx_policy = dane\n":     true,
		"smtp_tls_security_level = dane\n":                                             true,
		"smtp_tls_security_level = dane\nsmtp_tls_dane_insecure_mx_policy = encrypt\n": false,
	} {
		m := lab.Machine(t, "3.7.11", map[string]string{"main.cf": "smtp_dns_support_level = dnssec\n" + main, "master.cf": "smtp unix - - n - - smtp\n"})
		f, err := detect.Look(context.Background(), m, "/etc/postfix", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		s := policy.SettingOf(f, policy.Usual)
		if got := s.NoLooseDANE == ""; got != works {
			t.Errorf("%q: %q", main, s.NoLooseDANE)
		}
		s.NoDANE, s.Default = "", "may"
		e := policy.Evidence{Domain: policy.Domain{Name: "x.test"}, Servers: []policy.Server{{Name: "mx.test", DANE: dane.Secure, TLSA: []string{"3 1 1 " + strings.Repeat("00", 32)}}}}
		if got := policy.Supported(e, s, time.Now()); got.IsNone() == works || !works && !strings.Contains(got.Reason, "MX records are not signed") {
			t.Errorf("%q: %+v", main, got)
		}
	}
}
