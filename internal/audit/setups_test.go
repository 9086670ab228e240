package audit

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/lab"
)

// debianMaster is what matters of the master.cf that Debian installs.
const debianMaster = `smtp      inet  n       -       y       -       -       smtpd
pickup    unix  n       -       y       60      1       pickup
cleanup   unix  n       -       y       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       y       1000?   1       tlsmgr
rewrite   unix  -       -       y       -       -       trivial-rewrite
smtp      unix  -       -       y       -       -       smtp
relay     unix  -       -       y       -       -       smtp
        -o syslog_name=postfix/$service_name
local     unix  -       n       n       -       -       local
lmtp      unix  -       -       y       -       -       lmtp
anvil     unix  -       -       y       -       1       anvil
`

const (
	letsEncrypt = "/etc/letsencrypt/live/mx.example.org/"
	debianMain  = `smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)
biff = no
append_dot_mydomain = no
readme_directory = no
compatibility_level = 3.6
queue_directory = /var/spool/postfix
myhostname = mx.example.org
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
smtp_tls_CApath = /etc/ssl/certs
smtp_tls_security_level = may
smtp_tls_session_cache_database = btree:${data_directory}/smtp_scache
`
	encrypted = "smtpd_tls_cert_file = " + letsEncrypt + "fullchain.pem\nsmtpd_tls_key_file = " + letsEncrypt + "privkey.pem\nsmtpd_tls_security_level = may\n"
	careful   = "smtpd_tls_protocols = >=TLSv1.2\nsmtpd_tls_mandatory_protocols = >=TLSv1.2\nsmtpd_tls_loglevel = 1\nsmtp_tls_loglevel = 1\nsmtpd_tls_auth_only = yes\n"
)

// TestSetups: servers as many run them. Each has the grades that it should have,
// and no finding above low beside those that are listed, which are true.
func TestSetups(t *testing.T) {
	for _, x := range []struct {
		name, main, master, version string
		// grades are of receiving, sending, publishing and certificates.
		grades string
		// grave are the findings above low.
		grave string
	}{
		{"Debian with a certificate of Let's Encrypt", debianMain + encrypted + "mydestination = $myhostname, example.org, localhost\n", debianMaster, "3.7.11",
			// It takes TLS 1.0, and logs nothing.
			"C A - A", "PS-RCV-003 PS-RCV-009 PS-SND-014"},
		{"the same with care", debianMain + encrypted + careful + "mydestination = $myhostname, example.org, localhost\n", debianMaster, "3.10.13", "A A - A", ""},
		{"mail server with amavis and dovecot", debianMain + encrypted + careful + `mydestination = localhost
virtual_mailbox_domains = example.org
virtual_transport = lmtp:unix:private/dovecot-lmtp
content_filter = smtp-amavis:[127.0.0.1]:10024
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
`, debianMaster + `submission inet n - y - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
submissions inet n - y - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
smtp-amavis unix - - y - 2 smtp
  -o smtp_data_done_timeout=1200
  -o smtp_tls_security_level=none
127.0.0.1:10025 inet n - y - - smtpd
  -o content_filter=
  -o smtpd_tls_security_level=none
127.0.0.1:10026 inet n - y - - smtpd
  -o smtpd_tls_security_level=none
`, "3.10.13", "A A - A", ""},
		{"relay with a smart host", debianMain + encrypted + careful + `mydestination = localhost
relay_domains = example.org
relayhost = [smtp.example.net]:587
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd
smtp_sasl_security_options = noanonymous
smtp_tls_policy_maps = hash:/etc/postfix/tls_policy
transport_maps = hash:/etc/postfix/transport
`, debianMaster + "partner unix - - y - - smtp\n  -o smtp_tls_security_level=secure\n", "3.10.13", "A A - A", ""},
		{"a host that only sends", debianMain + "inet_interfaces = loopback-only\nmydestination = $myhostname, web1.example.org, localhost\nrelayhost = [mx.example.org]\nsmtpd_tls_security_level = none\nsmtp_tls_loglevel = 1\n", debianMaster, "3.10.13", "- A - -", ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			ca := lab.NewCA(t)
			leaf := ca.Issue(t, lab.Leaf{RSA: true, NotBefore: lab.Noon.AddDate(0, 0, -20), NotAfter: lab.Noon.AddDate(0, 0, 70)})
			files := map[string]string{
				"main.cf": x.main, "master.cf": x.master, letsEncrypt + "fullchain.pem": leaf.Cert + ca.IntermediatePEM, letsEncrypt + "privkey.pem": leaf.Key,
				"/etc/ssl/certs/ca-certificates.crt": ca.RootPEM, "/etc/ssl/certs/root.pem": ca.RootPEM, "/usr/lib/postfix/configure-instance.sh": "",
				"/etc/postfix/tls_policy": "[smtp.example.net]:587 secure\n", "/etc/postfix/tls_policy.db": "", "/etc/postfix/transport": "partner.example partner:\n", "/etc/postfix/transport.db": "",
			}
			f, err := detect.Look(context.Background(), host.ReadOnly{Reader: lab.Machine(t, x.version, files)}, "/etc/postfix", "", nil)
			if err != nil {
				t.Fatal(err)
			}
			c := Audit(&Evidence{Facts: f, NotLive: "x", NotSent: "x"})
			var letters []string
			for _, g := range c.Grades {
				letters = append(letters, g.Letter)
			}
			if got := strings.Join(letters, " "); got != x.grades {
				t.Errorf("%s, not %s", got, x.grades)
			}
			grave := map[string]bool{}
			for _, found := range c.Findings {
				if found.Severity > Low {
					grave[found.ID] = true
				}
				t.Logf("%-8s %s %s: %v", found.Severity, found.ID, found.Title, found.Hits)
			}
			if d := cmp.Diff(strings.Fields(x.grave), slices.Sorted(maps.Keys(grave)), cmp.Transformer("", func(s []string) string { return strings.Join(s, " ") })); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}
