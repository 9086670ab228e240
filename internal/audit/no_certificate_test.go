package audit

import (
	"context"
	cryptotls "crypto/tls"
	"net"
	mail "net/smtp"
	"strconv"
	"strings"
	"testing"
	"time"

	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/lab"
)

// TestWithoutCertificate: what a real Postfix without a certificate does to mail, and
// what the card says of it.
func TestWithoutCertificate(t *testing.T) {
	lab.Need(t, "postfix")
	lab.NeedRoot(t)
	scenes := []struct {
		options string
		// mail and starttls are what it says to these commands.
		mail, starttls string
		says           string
	}{
		{"-o smtpd_tls_security_level=encrypt", "530 5.7.0 Must issue a STARTTLS command first", "454 4.7.0 TLS not available due to local problem", "requires TLS and has no certificate: every sender is refused"},
		{"-o smtpd_tls_security_level=may", "250", "454 4.7.0 TLS not available due to local problem", "offers TLS and has no certificate: STARTTLS is refused"},
		{"-o smtpd_tls_security_level=encrypt -o smtpd_tls_cert_file=none", "530", "220", "requires TLS and has no certificate: every sender that does not accept anonymous"},
		{"-o smtpd_tls_security_level=may -o smtpd_tls_cert_file=none", "250", "220", "offers TLS and has no certificate: with senders"},
		{"-o smtpd_tls_security_level=encrypt -o smtpd_tls_chain_files=DIR/chain.pem", "530", "220", ""},
		{"-o smtpd_tls_security_level=none", "250", "502", ""},
	}
	dir, leaf := lab.Dir(t), lab.NewCA(t).Issue(t, lab.Leaf{})
	lab.Write(t, dir, "chain.pem", leaf.Key+leaf.Cert, 0o600)
	var services []string
	for _, x := range scenes {
		services = append(services, "%s inet n - n - - smtpd "+strings.ReplaceAll(x.options, "DIR", dir))
	}
	s := lab.Postfix(t, "relay_domains = example.org\n", services...)
	f, err := detect.Look(context.Background(), host.ReadOnly{Reader: host.Local{}}, s.Config(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	hits := noCertificate.Find(&Evidence{Facts: f})
	for i, x := range scenes {
		conn, err := net.Dial("tcp", s.Addrs[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		c, err := mail.NewClient(conn, "localhost")
		if err != nil {
			t.Fatal(err)
		}
		say := func(command string) string {
			if err := c.Text.PrintfLine("%s", command); err != nil {
				t.Fatal(err)
			}
			code, text, _ := c.Text.ReadResponse(0)
			return strings.TrimSpace(strings.Join([]string{strconv.Itoa(code), text}, " "))
		}
		if got := say("EHLO client.example.net"); !strings.HasPrefix(got, "250") {
			t.Fatalf("%s: EHLO: %s", x.options, got)
		}
		if got := say("MAIL FROM:<a@example.net>"); !strings.HasPrefix(got, x.mail) {
			t.Errorf("%s: MAIL: %s", x.options, got)
		}
		say("RSET")
		got := say("STARTTLS")
		if !strings.HasPrefix(got, x.starttls) {
			t.Errorf("%s: STARTTLS: %s", x.options, got)
		}
		if x.starttls == "220" && x.says != "" {
			if err := cryptotls.Client(conn, &cryptotls.Config{InsecureSkipVerify: true}).Handshake(); err == nil { //nolint:gosec // the lab's server
				t.Errorf("%s: a client that knows no anonymous suites comes through", x.options)
			}
		}
		_ = conn.Close()
		said := ""
		for _, h := range hits {
			if text, ok := strings.CutPrefix(h.Detail, s.Addrs[i]+"/inet "); ok {
				said = text
			}
		}
		if !strings.HasPrefix(said, x.says) || (said == "") != (x.says == "") {
			t.Errorf("%s: the card says %q", x.options, said)
		}
	}
}
