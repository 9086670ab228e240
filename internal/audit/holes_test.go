package audit

import (
	cryptotls "crypto/tls"
	"fmt"
	mail "net/smtp"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"postseal/internal/lab"
)

// lists are lists of versions, each with what a current client gets of a server with it
// and whether there is a hole.
var versionLists = []struct {
	list string
	hole bool
}{
	{"!SSLv2, !SSLv3", false},
	{"!SSLv2, !SSLv3, !TLSv1, !TLSv1.1", false},
	{">=TLSv1.2", false},
	{"!SSLv2, !SSLv3, !TLSv1.1", true},
	{"!SSLv3 !tlsv1.2", true},
	{"!SSLv2, !SSLv3, !TLSv1, !TLSv1.1, !TLSv1.3", false},
	{"TLSv1.2, TLSv1.3", false},
	{"TLSv1, TLSv1.3", true},
}

// TestHolesInSending: with a hole in its list of versions a real Postfix sends nothing by
// TLS to a server of today, and without one it does.
func TestHolesInSending(t *testing.T) {
	receiver := lab.Postfix(t, withChain(t)+"smtpd_tls_protocols = >=TLSv1.2\n", "%s inet n - n - - smtpd")
	_, port, _ := strings.Cut(receiver.Addrs[0], ":")
	host := strings.TrimSuffix(receiver.Addrs[0], ":"+port)
	service, table := "%s inet n - n - - smtpd", ""
	for i, x := range versionLists {
		service += fmt.Sprintf("\nout%d unix - - n - - smtp -o {smtp_tls_mandatory_protocols=%s}", i, x.list)
		table += fmt.Sprintf(" {t%d.example = out%d:[%s]:%s}", i, i, host, port)
	}
	s := lab.Postfix(t, "smtp_tls_security_level = encrypt\nsmtp_dns_support_level = disabled\ntransport_maps = inline:{"+table+" }\n", service)
	for i := range versionLists {
		if err := mail.SendMail(s.Addrs[0], nil, "a@example.org", []string{fmt.Sprintf("b@t%d.example", i)}, []byte("Subject: x\r\n\r\nx\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	log := fates(t, s, len(versionLists))
	for i, x := range versionLists {
		// What the receiver answers to the recipient is answered by TLS.
		sent := regexp.MustCompile(fmt.Sprintf(`to=<b@t%d\.example>.* status=(sent|bounced)`, i)).MatchString(log)
		_, _, hole := gap(x.list)
		if sent == x.hole || hole != x.hole {
			t.Errorf("%s: sent %v, a hole %v; the log:\n%s", x.list, sent, hole, log)
		}
		e := scene{main: good + "smtp_tls_protocols = " + x.list + "\n", master: router + sender}.evidence(t)
		if hits := outboundGap.Find(e); (len(hits) > 0) != x.hole {
			t.Errorf("%s: %+v", x.list, hits)
		}
	}
}

var fate = regexp.MustCompile(`(?m)to=<b@.* status=`)

// fates is the log of a server that has sent n messages, or failed to.
func fates(t *testing.T, s *lab.Server, n int) string {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		log, err := os.ReadFile(s.LogPath())
		if err != nil {
			t.Fatal(err)
		}
		if len(fate.FindAllString(string(log), -1)) >= n {
			return string(log)
		}
		if time.Now().After(end) {
			t.Fatalf("not all mail has a fate:\n%s", log)
		}
	}
}

// withChain is the configuration of a server that offers TLS.
func withChain(t *testing.T) string {
	t.Helper()
	ca := lab.NewCA(t)
	leaf := ca.Issue(t, lab.Leaf{})
	path := lab.Write(t, lab.Dir(t), "chain.pem", leaf.Key+leaf.Cert+ca.IntermediatePEM, 0o600)
	return "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = " + filepath.Clean(path) + "\n"
}

// TestHolesInReceiving: a hole in the list of versions of a server costs the version that
// is left out alone.
func TestHolesInReceiving(t *testing.T) {
	service := "%s inet n - n - - smtpd"
	s := lab.Postfix(t, withChain(t), service+" -o {smtpd_tls_protocols=!SSLv2, !SSLv3, !TLSv1.1}", service+" -o {smtpd_tls_protocols=!SSLv3, !TLSv1.2}")
	for _, x := range []struct {
		listener    int
		newest, got uint16
	}{
		{0, 0, cryptotls.VersionTLS13},
		{0, cryptotls.VersionTLS12, cryptotls.VersionTLS12},
		{1, 0, cryptotls.VersionTLS13},
	} {
		c, err := mail.Dial(s.Addrs[x.listener])
		if err != nil {
			t.Fatal(err)
		}
		err = c.StartTLS(&cryptotls.Config{InsecureSkipVerify: true, MaxVersion: x.newest}) //nolint:gosec // the lab's server
		if state, _ := c.TLSConnectionState(); err != nil || state.Version != x.got {
			t.Errorf("%+v: %x, %v", x, state.Version, err)
		}
		_ = c.Close()
	}
}
