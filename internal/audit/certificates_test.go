package audit

import (
	"slices"
	"strings"
	"testing"

	"postseal/internal/detect"
	"postseal/internal/lab"
	"postseal/internal/probe"
)

// TestCertificatesInUse: certificates are judged as Postfix loads and sends them, those
// of single services among them.
func TestCertificatesInUse(t *testing.T) {
	inMain := func(settings string) string { return without(settings, "smtpd_tls_chain_files") }
	pair := "smtpd_tls_cert_file = /c/alone.pem\nsmtpd_tls_key_file = /c/key.pem\n"
	young := &lab.Leaf{RSA: true, Extension: issuer, NotBefore: lab.Noon.AddDate(0, 0, -10), NotAfter: lab.Noon.AddDate(0, 0, 80)}
	old := "192.0.2.11:465 inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_tls_cert_file=/c/expired.pem -o smtpd_tls_key_file=/c/expired.key\n"
	for _, x := range []struct {
		name   string
		scene  scene
		rule   Rule
		says   string // of a hit; empty for none
		number int
	}{
		{"a chain that smtpd_tls_CAfile completes", scene{main: inMain(pair + "smtpd_tls_CAfile = /c/intermediate.pem\n"), leaf: young}, needlessCAFile, "", 0},
		{"a whole chain, and smtpd_tls_CAfile", scene{main: good + "smtpd_tls_CAfile = /c/intermediate.pem\n", leaf: young}, needlessCAFile, "smtpd_tls_CAfile is set", 1},
		{"a chain that smtpd_tls_CAfile completes", scene{main: inMain(pair + "smtpd_tls_CAfile = /c/intermediate.pem\n"), leaf: young}, incompleteChain, "", 0},
		{"it is in no other order", scene{main: inMain(pair + "smtpd_tls_CAfile = /c/intermediate.pem\n"), leaf: young}, chainOrder, "", 0},
		{"the CA file for sending completes nothing", scene{main: strings.Replace(inMain(pair), "ca-certificates.crt", "", 1) + "smtp_tls_CAfile = /c/intermediate.pem\n", leaf: young}, incompleteChain, "/c/alone.pem lacks", 1},
		{"certificate before key", scene{main: inMain("smtpd_tls_chain_files = /c/cert.pem, /c/key.pem\n")}, notLoaded, "/c/cert.pem is not loaded: a certificate precedes the private key", 1},
		{"key before certificate", scene{main: inMain("smtpd_tls_chain_files = /c/key.pem, /c/cert.pem\n")}, notLoaded, "", 0},
		{"four files that are not there", scene{main: inMain("smtpd_tls_chain_files = /n/1.pem, /n/2.pem, /n/3.pem, /n/4.pem\n")}, notLoaded, "/n/4.pem does not exist", 4},
		{"a relative path", scene{main: inMain("queue_directory = /var/spool/postfix\nsmtpd_tls_chain_files = ./fullchain.pem\n")}, notLoaded, "/var/spool/postfix/fullchain.pem does not exist: ./fullchain.pem is relative to queue_directory", 1},
		{"the certificate of a service has expired", scene{main: inMain("smtpd_tls_cert_file = /c/cert.pem\nsmtpd_tls_key_file = /c/key.pem\n"), master: old}, expired, "/c/expired.pem expired on", 1},
		{"a service is reached by names of its own", scene{main: inMain("smtpd_tls_cert_file = /c/cert.pem\nsmtpd_tls_key_file = /c/key.pem\n"), master: old}, otherNames, "", 0},
	} {
		t.Run(x.name, func(t *testing.T) {
			x.scene.master += router + sender
			e := x.scene.evidence(t)
			hits := x.rule.Find(e)
			if len(hits) != x.number || x.number > 0 && !strings.Contains(hits[x.number-1].Detail, x.says) {
				t.Errorf("%s: %+v", x.rule.ID, hits)
			}
			if slices.ContainsFunc(hits, func(h Hit) bool { return strings.ContainsAny(h.Detail, "\n\r") }) {
				t.Errorf("more than one line: %+v", hits)
			}
		})
	}
}

// TestOwnCertificateServed: a service shows its own certificate, and another one is
// found.
func TestOwnCertificateServed(t *testing.T) {
	one := "192.0.2.11:465 inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_tls_chain_files=/c/expired.key,/c/expired.pem\n"
	two := "192.0.2.12:465 inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_tls_chain_files=/c/expired.key,/c/expired.pem\n"
	e := &Evidence{Facts: look(t, scene{main: good, master: router + one + two + sender})}
	own := slices.IndexFunc(e.Certificates, func(c detect.Certificate) bool { return len(c.Services) == 2 })
	if own < 0 {
		t.Fatalf("%+v", e.Certificates)
	}
	shows := func(fingerprint string) []Hit {
		e.Live = nil
		for _, l := range e.Listeners[1:] {
			e.Live = append(e.Live, Live{Listener: l, Seen: &probe.Enumeration{Certificates: []probe.Leaf{{Fingerprint: fingerprint}}}})
		}
		return otherServed.Find(e)
	}
	if hits := shows(e.Certificates[own].Fingerprint); len(hits) != 0 {
		t.Errorf("its own certificate: %+v", hits)
	}
	if hits := shows(e.ServerCertificates()[0].Fingerprint); len(hits) != 2 {
		t.Errorf("that of main.cf: %+v", hits)
	}
}
