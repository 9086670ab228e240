package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/smtp"
	"os"
	"strings"
	"testing"
	"time"

	"postseal/certs"
	"postseal/internal/lab"
)

// TestPinned: a real Postfix with the lines that we print relays for the key,
// for the next key during a rotation, and for nobody else.
func TestPinned(t *testing.T) {
	var chains []certs.Chain
	for range 3 {
		c, err := certs.NewClient("mx.example.org", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if f := c.Facts(nil); !f.ClientUse || f.ServerUse || !f.SelfSigned {
			t.Errorf("%+v", f)
		}
		chains = append(chains, c)
	}
	dir := lab.Dir(t)
	main, lines := certs.PinnedBy(dir+"/partners", chains[0].Leaf(), chains[1].Leaf())
	lab.Write(t, dir, "partners", strings.Join(lines, "\n")+"\n", 0o644)
	leaf := lab.NewCA(t).Issue(t, lab.Leaf{})
	lab.Write(t, dir, "mx.pem", leaf.Key+leaf.Cert, 0o600)
	s := lab.Postfix(t, "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = "+dir+"/mx.pem\n"+strings.Join(main, "\n")+"\nmynetworks =\n", "%s inet n - n - - smtpd")
	relays := func(c *certs.Chain) bool {
		conn, err := smtp.Dial(s.Addrs[0])
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		config := &tls.Config{InsecureSkipVerify: true}
		if c != nil {
			config.Certificates = []tls.Certificate{{Certificate: [][]byte{c.Leaf().Raw}, PrivateKey: c.Key}}
		}
		if err := conn.StartTLS(config); err != nil {
			t.Fatal(err)
		}
		if err := conn.Mail("a@example.org"); err != nil {
			t.Fatal(err)
		}
		// The private server delivers nothing; what counts is why it refuses.
		err = conn.Rcpt("b@elsewhere.example")
		return err == nil || !strings.Contains(err.Error(), "Relay access denied")
	}
	for name, c := range map[string]struct {
		chain *certs.Chain
		want  bool
	}{"the key": {&chains[0], true}, "the next key": {&chains[1], true}, "another key": {&chains[2], false}, "no certificate": {nil, false}} {
		if got := relays(c.chain); got != c.want {
			t.Errorf("%s: relayed %v", name, got)
		}
	}
}

// TestTrustedBothWays: one leaf with both uses is Trusted by two real Postfixes,
// by the one that is delivered to and by the one that delivers; a leaf for
// servers alone is not, by the one that is delivered to.
func TestTrustedBothWays(t *testing.T) {
	lab.Need(t, "postfix")
	lab.NeedRoot(t)
	ca := lab.NewCA(t)
	both := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for name, c := range map[string]struct {
		uses []x509.ExtKeyUsage
		want string
	}{"both uses": {both, "Trusted"}, "server use alone": {both[:1], "Untrusted"}} {
		t.Run(name, func(t *testing.T) {
			dir := lab.Dir(t)
			leaf := ca.Issue(t, lab.Leaf{Names: []string{"localhost"}, Usages: c.uses})
			lab.Write(t, dir, "leaf.pem", leaf.Key+leaf.Cert+ca.IntermediatePEM, 0o600)
			lab.Write(t, dir, "root.pem", ca.RootPEM, 0o644)
			receiver := lab.Postfix(t, "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = "+dir+"/leaf.pem\nsmtpd_tls_CAfile = "+dir+"/root.pem\nsmtpd_tls_ask_ccert = yes\n"+
				"smtpd_tls_loglevel = 1\n", "%s inet n - n - - smtpd")
			sender := lab.Sender(t, receiver.Addrs[0], "smtp_tls_security_level = may\nsmtp_tls_chain_files = "+dir+"/leaf.pem\nsmtp_tls_CAfile = "+dir+"/root.pem\nsmtp_tls_loglevel = 1\n")
			if err := smtp.SendMail(sender.Addrs[0], nil, "a@example.org", []string{"b@elsewhere.example"}, []byte("Subject: x\r\n\r\nx\r\n")); err != nil {
				t.Fatal(err)
			}
			await(t, receiver.LogPath(), c.want+" TLS connection established from")
			await(t, sender.LogPath(), "Trusted TLS connection established to")
		})
	}
}

// await waits until a log says something.
func await(t *testing.T, log, want string) {
	t.Helper()
	var text []byte
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(30 * time.Millisecond) {
		text, _ = os.ReadFile(log)
		if strings.Contains(string(text), ": "+want) {
			return
		}
	}
	t.Errorf("%s never says %q:\n%s", log, want, text)
}

// TestNoName: a certificate for nobody is refused.
func TestNoName(t *testing.T) {
	if _, err := certs.NewServer(nil, nil, time.Now()); err == nil {
		t.Error("it was made")
	}
}
