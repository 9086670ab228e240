package audit

import (
	"context"
	"strings"
	"testing"

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

// TestCareful: servers that are set up with care have an A, and no finding above low. Those
// that projects ship are in package setups.
func TestCareful(t *testing.T) {
	for _, x := range []struct {
		name, main, master, version string
		// grades are of receiving, sending, publishing and certificates.
		grades string
	}{
		{"Debian with care", debianMain + encrypted + careful + "mydestination = $myhostname, example.org, localhost\n", debianMaster, "3.10.13", "A A - A"},
		{"relay with a smart host", debianMain + encrypted + careful + `mydestination = localhost
relay_domains = example.org
relayhost = [smtp.example.net]:587
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd
smtp_sasl_security_options = noanonymous
smtp_tls_policy_maps = hash:/etc/postfix/tls_policy
transport_maps = hash:/etc/postfix/transport
`, debianMaster + "partner unix - - y - - smtp\n  -o smtp_tls_security_level=secure\n", "3.10.13", "A A - A"},
		{"a host that only sends", debianMain + "inet_interfaces = loopback-only\nmydestination = $myhostname, web1.example.org, localhost\nrelayhost = [mx.example.org]\nsmtpd_tls_security_level = none\nsmtp_tls_loglevel = 1\n", debianMaster, "3.10.13", "- A - -"},
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
			for _, found := range c.Findings {
				if found.Severity > Low {
					t.Errorf("%s %s %s: %v", found.Severity, found.ID, found.Title, found.Hits)
				}
			}
		})
	}
}
