package audit

import (
	"context"
	cryptotls "crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	mail "net/smtp"
	"net/textproto"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/certs"
	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/lab"
)

// rcpt is what a server says to a recipient elsewhere from a client that shows a
// certificate, if it is asked for one.
func rcpt(t *testing.T, addr string, own lab.Issued, chain string) int {
	t.Helper()
	pair, err := cryptotls.X509KeyPair([]byte(own.Cert+chain), []byte(own.Key))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", addr)
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
	defer c.Close()
	if err := c.StartTLS(&cryptotls.Config{InsecureSkipVerify: true, GetClientCertificate: func(*cryptotls.CertificateRequestInfo) (*cryptotls.Certificate, error) { return &pair, nil }}); err != nil { //nolint:gosec // the lab's server
		t.Fatal(err)
	}
	if err := c.Mail("a@example.net"); err != nil {
		t.Fatal(err)
	}
	var refused *textproto.Error
	switch err := c.Rcpt("b@elsewhere.example"); {
	case err == nil:
		return 250
	case errors.As(err, &refused):
		return refused.Code
	default:
		t.Fatal(err)
		return 0
	}
}

// TestRelayForCertificates: a real Postfix accepts mail for anywhere from a client
// with a certificate from a public CA exactly where the card says so.
func TestRelayForCertificates(t *testing.T) {
	lab.Need(t, "postfix", "openssl")
	lab.NeedRoot(t)
	public, private := lab.NewCA(t), lab.NewCA(t)
	leaf := private.Issue(t, lab.Leaf{})
	client := public.Issue(t, lab.Leaf{Names: []string{"client.example.net"}, Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	dir := lab.Dir(t)
	for name, text := range map[string]string{"public.pem": public.RootPEM, "private.pem": private.RootPEM, "own/0123abcd.0": private.RootPEM} {
		lab.Write(t, dir, name, text, 0o644)
	}
	hash, err := exec.Command("openssl", "x509", "-hash", "-noout", "-in", filepath.Join(dir, "public.pem")).Output()
	if err != nil {
		t.Fatal(err)
	}
	lab.Write(t, dir, "hashed/"+strings.TrimSpace(string(hash))+".0", public.RootPEM, 0o644)
	lab.Write(t, dir, "chain.pem", leaf.Key+leaf.Cert+private.IntermediatePEM, 0o600)
	lab.Write(t, dir, "access", "example.net partners\n", 0o644)
	main := strings.ReplaceAll(`transport_maps = inline:{elsewhere.example=smtp:}
smtpd_tls_security_level = may
smtpd_tls_chain_files = DIR/chain.pem
smtpd_tls_ask_ccert = yes
smtpd_tls_CAfile = DIR/public.pem
relay_domains = example.org
smtpd_recipient_restrictions = permit_mynetworks, permit_tls_all_clientcerts, reject_unauth_destination
guarded = permit_tls_all_clientcerts, reject_unauth_destination
closed = permit_mynetworks, reject_unauth_destination
mine = PERMIT_TLS_ALL_CLIENTCERTS reject
smtpd_restriction_classes = partners
partners = permit_tls_all_clientcerts
import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ XAUTHORITY DISPLAY LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME SSL_CERT_FILE=DIR/public.pem
`, "DIR", dir)
	scenes := []struct {
		name    string
		options []string
		// code is what Postfix says; at is a part of what the card says.
		code int
		at   string
	}{
		{"in main.cf", []string{"smtpd_relay_restrictions="}, 250, "main.cf:"},
		{"not there", []string{"smtpd_relay_restrictions=$closed"}, 554, ""},
		{"in master.cf", []string{"smtpd_relay_restrictions=permit_tls_all_clientcerts, reject"}, 250, "-o of"},
		{"by another name", []string{"smtpd_relay_restrictions=$mine"}, 250, "-o of"},
		{"in a class", []string{"smtpd_relay_restrictions=partners, reject"}, 250, ""},
		{"in a class that a table names", []string{"smtpd_relay_restrictions=check_sender_access texthash:DIR/access, reject"}, 250, ""},
		{"in a class that nothing names", []string{"smtpd_relay_restrictions=permit_sasl_authenticated, reject"}, 554, ""},
		{"for recipients, without the list for relaying", []string{"smtpd_relay_restrictions=", "smtpd_recipient_restrictions=permit_tls_all_clientcerts, reject_unauth_destination"}, 250, "smtpd_recipient_restrictions;"},
		{"for recipients, and relaying is closed", []string{"smtpd_relay_restrictions=$closed", "smtpd_recipient_restrictions=permit_tls_all_clientcerts, reject"}, 554, ""},
		{"for recipients, with the default for relaying", []string{"smtpd_relay_restrictions=permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination", "smtpd_recipient_restrictions=permit_tls_all_clientcerts, reject"}, 454, ""},
		{"for clients, and relaying is closed", []string{"smtpd_relay_restrictions=$closed", "smtpd_client_restrictions=permit_tls_all_clientcerts, reject"}, 554, ""},
		{"behind a refusal of all strangers", []string{"smtpd_client_restrictions=permit_mynetworks, reject"}, 554, ""},
		{"after the refusal", []string{"smtpd_relay_restrictions=reject_unauth_destination, permit_tls_all_clientcerts"}, 554, ""},
		{"after a refusal that only warns", []string{"smtpd_relay_restrictions=warn_if_reject reject_unauth_destination, permit_tls_all_clientcerts, reject"}, 250, ""},
		{"by fingerprint", []string{"smtpd_relay_restrictions=permit_tls_clientcerts, reject", "relay_clientcerts=texthash:DIR/access"}, 554, ""},
		{"nobody is asked", []string{"smtpd_tls_ask_ccert=no"}, 554, ""},
		{"a CA of its own", []string{"smtpd_tls_CAfile=DIR/private.pem"}, 554, ""},
		{"the system's CAs added", []string{"smtpd_tls_CAfile=DIR/private.pem", "tls_append_default_CA=yes"}, 250, "tls_append_default_CA ("},
		{"the system's CAs added to none", []string{"smtpd_tls_CAfile=", "tls_append_default_CA=yes"}, 554, ""},
		{"CAs in a folder", []string{"smtpd_tls_CAfile=", "smtpd_tls_CApath=DIR/hashed"}, 250, "smtpd_tls_CApath ("},
		{"CAs of its own in a folder", []string{"smtpd_tls_CAfile=", "smtpd_tls_CApath=DIR/own"}, 554, ""},
	}
	for part := range slices.Chunk(scenes, 6) { // more listeners are more than a start waits for
		t.Run(part[0].name, func(t *testing.T) {
			var services []string
			for _, x := range part {
				service := "%s inet n - n - - smtpd -o mynetworks=192.0.2.0/24 -o smtpd_relay_restrictions=$guarded"
				for _, o := range x.options {
					service += " -o {" + strings.ReplaceAll(o, "DIR", dir) + "}"
				}
				services = append(services, service)
			}
			s := lab.Postfix(t, main, services...)
			f, err := detect.Look(context.Background(), host.ReadOnly{Reader: host.Local{}}, s.Config(), "", nil)
			if err != nil {
				t.Fatal(err)
			}
			trusting := func(ca *lab.CA) []Hit {
				b, err := certs.ReadCAs("", []byte(ca.RootPEM))
				if err != nil {
					t.Fatal(err)
				}
				f.Bundle = detect.CABundle{Path: "/bundle.pem", Certs: b.Certs}
				return openRelayByCertificate.Find(&Evidence{Facts: f})
			}
			hits := trusting(public)
			for i, x := range part {
				if code := rcpt(t, s.Addrs[i], client, public.IntermediatePEM); code != x.code {
					t.Errorf("%s: Postfix says %d, not %d", x.name, code, x.code)
				}
				said := slices.ContainsFunc(hits, func(h Hit) bool {
					return strings.HasPrefix(h.Detail, s.Addrs[i]+"/inet relays") && strings.Contains(h.Detail+" "+h.At.String(), x.at) && h.At.File != "" && len(h.Detail) < 300
				})
				if said != (x.code == 250) {
					t.Errorf("%s: %+v", x.name, hits)
				}
			}
			for _, h := range trusting(lab.NewCA(t)) {
				if !strings.Contains(h.Detail, "tls_append_default_CA") {
					t.Errorf("with CAs of its own alone: %+v", h)
				}
			}
			f.AddedCAs = f.CAFiles[filepath.Join(dir, "public.pem")].Certs
			if hits := trusting(public); len(hits) != 0 {
				t.Errorf("with CAs that the administrator has added to the distribution's: %+v", hits)
			}
		})
	}
}

// TestNoWiderTrust: where every certificate from a public CA lets its holder relay, the
// card does not propose to trust more of them.
func TestNoWiderTrust(t *testing.T) {
	main := good + "smtpd_tls_ask_ccert = yes\nsmtpd_tls_CAfile = /c/few.pem\nsmtpd_relay_restrictions = permit_mynetworks, permit_tls_all_clientcerts, reject_unauth_destination\n"
	e := scene{main: main, master: router + sender}.evidence(t)
	if len(openRelayByCertificate.Find(e)) != 1 || len(serverOnlyCertificates.Find(e)) != 0 {
		t.Errorf("%+v, and %+v", openRelayByCertificate.Find(e), serverOnlyCertificates.Find(e))
	}
	e.AddedCAs = e.Bundle.Certs
	if len(openRelayByCertificate.Find(e)) != 0 || len(serverOnlyCertificates.Find(e)) != 1 {
		t.Errorf("with CAs of its own: %+v, and %+v", openRelayByCertificate.Find(e), serverOnlyCertificates.Find(e))
	}
}

// TestRelayBehindPostscreen: what counts is the smtpd to which postscreen hands
// clients on.
func TestRelayBehindPostscreen(t *testing.T) {
	const permit = " -o smtpd_tls_ask_ccert=yes -o smtpd_tls_CAfile=/c/few.pem -o smtpd_relay_restrictions=permit_tls_all_clientcerts,reject"
	hits := openRelayByCertificate.Find(scene{main: good, master: "smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd" + permit + "\n" + sender}.evidence(t))
	if len(hits) != 1 || !strings.HasPrefix(hits[0].Detail, "smtpd/pass relays") || hits[0].At.Service != "smtpd/pass" {
		t.Errorf("%+v", hits)
	}
}
