package plan_test

import (
	"strings"
	"testing"

	"postseal/internal/lab"
	"postseal/internal/plan"
)

// TestUsable: what main.cf excludes by hand stays, but for what leaves the certificate
// no suite of TLS 1.2.
func TestUsable(t *testing.T) {
	for _, x := range []struct{ cert, excluded, want, gone string }{
		{"mx.pem", "ECDSA", "ECDSA", ""},
		{"ec.pem", "ECDSA", "", "ECDSA"},
		{"ec.pem", "RC4, aECDSA:ECDSA", "RC4", "aECDSA ECDSA"},
		{"mx.pem", "aRSA", "", "aRSA"},
		{"mx.pem", "AESGCM, CHACHA20, AES256", "AESGCM, CHACHA20, AES256", ""},
	} {
		main := "myhostname = mx.example.org\nsmtpd_tls_security_level = may\nsmtpd_tls_exclude_ciphers = " + x.excluded + "\n"
		answers := []string{"cert=/etc/ssl/mail/" + x.cert}
		if x.cert == "mx.pem" {
			answers = append(answers, "key=/etc/ssl/mail/mx.key")
		}
		p, _ := build(t, lab.Machine(t, "3.7.11", tree(t, main, "smtp inet n - n - - smtpd\n")), answers...)
		want := "smtpd_tls_exclude_ciphers = aNULL, kRSA, kDHE, SHA1, CAMELLIA, ARIA, AESCCM8"
		if x.want != "" {
			want += ", " + x.want
		}
		if !strings.Contains(after(p, plan.MainCF), want+"\n") {
			t.Errorf("%s, %s: no %q in\n%s", x.cert, x.excluded, want, after(p, plan.MainCF))
		}
		notes := strings.Join(p.Notes, "\n")
		for _, word := range strings.Fields(x.gone) {
			if !strings.Contains(notes, "no longer includes "+word+",") {
				t.Errorf("%s, %s: no note on %s: %s", x.cert, x.excluded, word, notes)
			}
		}
	}
}

// TestScreenLevel: a postscreen that has TLS switched off follows main.cf again.
func TestScreenLevel(t *testing.T) {
	const master = "smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\ntlsproxy unix - - n - 0 tlsproxy\n"
	for _, x := range []struct {
		level string
		goes  bool
	}{{"none", true}, {"may", false}, {"encrypt", false}} {
		main := "myhostname = mx.example.org\npostscreen_tls_security_level = " + x.level + "\n"
		p, _ := build(t, lab.Machine(t, "3.7.11", tree(t, main, master)), "cert=/etc/ssl/mail/mx.pem", "key=/etc/ssl/mail/mx.key")
		if gone := !strings.Contains(after(p, plan.MainCF), "postscreen_tls_security_level"); gone != x.goes {
			t.Errorf("%s: %t", x.level, gone)
		}
	}
}

// TestNoteNamesTheList: the note on an exclusion that goes names the parameter that had it.
func TestNoteNamesTheList(t *testing.T) {
	main := "myhostname = mx.example.org\nsmtpd_tls_security_level = may\nsmtpd_tls_mandatory_exclude_ciphers = ECDSA\n"
	master := "smtp inet n - n - - smtpd\nsubmission inet n - n - - smtpd\n  -o smtpd_tls_security_level=encrypt\n  -o smtpd_sasl_auth_enable=yes\n"
	p, _ := build(t, lab.Machine(t, "3.7.11", tree(t, main, master)), "cert=/etc/ssl/mail/ec.pem", "profile=compatible")
	if notes := strings.Join(p.Notes, "\n"); !strings.Contains(notes, "smtpd_tls_mandatory_exclude_ciphers no longer includes ECDSA,") {
		t.Errorf("%s\n%s", notes, after(p, plan.MainCF))
	}
}
