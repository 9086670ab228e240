package audit

import (
	"fmt"
	mail "net/smtp"
	"regexp"
	"strings"
	"testing"

	"postseal/internal/lab"
)

// TestMissingCAFolder: a real Postfix without its folder of CA certificates has TLS, and
// verifies nobody.
func TestMissingCAFolder(t *testing.T) {
	receiver := lab.Postfix(t, withChain(t), "%s inet n - n - - smtpd")
	hop := "[" + strings.Replace(receiver.Addrs[0], ":", "]:", 1)
	service, table := "%s inet n - n - - smtpd", ""
	levels := []string{"may", "secure"}
	for _, level := range levels {
		service += fmt.Sprintf("\n%s unix - - n - - smtp -o smtp_tls_security_level=%[1]s", level)
		table += fmt.Sprintf(" {%s.example = %[1]s:%s}", level, hop)
	}
	s := lab.Postfix(t, "smtp_dns_support_level = disabled\nsmtp_tls_loglevel = 1\nsmtp_tls_CApath = /nonexistent\ntransport_maps = inline:{"+table+" }\n", service)
	for _, level := range levels {
		if err := mail.SendMail(s.Addrs[0], nil, "a@example.org", []string{"b@" + level + ".example"}, []byte("Subject: x\r\n\r\nx\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	log := fates(t, s, len(levels))
	for _, line := range []string{"Untrusted TLS connection established", `to=<b@may\.example>.* RCPT TO`, `to=<b@secure\.example>.*deferred \(Server certificate not verified`} {
		if !regexp.MustCompile(line).MatchString(log) {
			t.Errorf("no %s in the log:\n%s", line, log)
		}
	}
}
