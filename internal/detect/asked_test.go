package detect_test

import (
	"crypto/x509"
	mail "net/smtp"
	"os"
	"strings"
	"testing"
	"time"

	"postseal/internal/detect"
	"postseal/internal/lab"
	"postseal/internal/maillog"
)

// TestWantedByPostfix: what a real Postfix logs when it sends to one that
// requires a client certificate, or asks for one.
func TestWantedByPostfix(t *testing.T) {
	lab.Need(t, "postfix")
	lab.NeedRoot(t)
	for name, c := range map[string]struct {
		receiver string
		refused  bool
	}{
		"required": {"smtpd_tls_security_level = encrypt\nsmtpd_tls_req_ccert = yes\n", true},
		"asked":    {"smtpd_tls_security_level = may\nsmtpd_tls_ask_ccert = yes\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := lab.Dir(t)
			ca := lab.NewCA(t)
			leaf := ca.Issue(t, lab.Leaf{Names: []string{"localhost"}})
			lab.Write(t, dir, "leaf.pem", leaf.Key+leaf.Cert+ca.IntermediatePEM, 0o600)
			lab.Write(t, dir, "root.pem", ca.RootPEM, 0o644)
			receiver := lab.Postfix(t, c.receiver+"smtpd_tls_chain_files = "+dir+"/leaf.pem\nsmtpd_tls_CAfile = "+dir+"/root.pem\n", "%s inet n - n - - smtpd")
			sender := lab.Sender(t, receiver.Addrs[0], "smtp_tls_security_level = encrypt\nsmtp_tls_loglevel = 2\n")
			if err := mail.SendMail(sender.Addrs[0], nil, "a@example.org", []string{"b@elsewhere.example"}, []byte("Subject: x\r\n\r\nx\r\n")); err != nil {
				t.Fatal(err)
			}
			var w detect.Wanted
			var text []byte
			for deadline := time.Now().Add(15 * time.Second); w.Sent == 0 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
				text, _ = os.ReadFile(sender.LogPath())
				w = detect.WantedIn(maillog.ParseAll(string(text), sender.Log().Names), time.Now())
			}
			if w.Sent == 0 || w.Told == 0 || len(w.By) != 1 || w.By[0].Refused != c.refused || w.By[0].Peer != "127.0.0.1" {
				t.Errorf("%+v\n%s", w, text)
			}
		})
	}
}

// TestWantedAndShown: where a real Postfix logs that a server required its certificate and
// got it. In TLS 1.2, log level 1 shows nothing of that.
func TestWantedAndShown(t *testing.T) {
	lab.Need(t, "postfix")
	lab.NeedRoot(t)
	dir := lab.Dir(t)
	ca := lab.NewCA(t)
	leaf := ca.Issue(t, lab.Leaf{Names: []string{"localhost"}, Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
	lab.Write(t, dir, "leaf.pem", leaf.Key+leaf.Cert+ca.IntermediatePEM, 0o600)
	lab.Write(t, dir, "root.pem", ca.RootPEM, 0o644)
	for _, x := range []struct {
		level, excluded string
		told            bool
	}{{"1", "", true}, {"2", "", true}, {"1", "!TLSv1.3", false}, {"2", "!TLSv1.3", true}} {
		receiver := lab.Postfix(t, "smtpd_tls_security_level = encrypt\nsmtpd_tls_req_ccert = yes\nsmtpd_tls_chain_files = "+dir+"/leaf.pem\nsmtpd_tls_CAfile = "+dir+"/root.pem\n", "%s inet n - n - - smtpd")
		sender := lab.Sender(t, receiver.Addrs[0], "smtp_tls_security_level = encrypt\nsmtp_tls_chain_files = "+dir+"/leaf.pem\nsmtp_tls_mandatory_protocols = "+x.excluded+"\nsmtp_tls_loglevel = "+x.level+"\n")
		if err := mail.SendMail(sender.Addrs[0], nil, "a@example.org", []string{"b@elsewhere.example"}, []byte("Subject: x\r\n\r\nx\r\n")); err != nil {
			t.Fatal(err)
		}
		var w detect.Wanted
		var text []byte
		for deadline := time.Now().Add(15 * time.Second); w.Sent == 0 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			text, _ = os.ReadFile(sender.LogPath())
			w = detect.WantedIn(maillog.ParseAll(string(text), sender.Log().Names), time.Now())
		}
		if w.Sent == 0 || (w.Told > 0) != x.told || (w.Untold > 0) == x.told || (len(w.By) == 1 && !w.By[0].Refused && w.By[0].Peer == "127.0.0.1") != x.told {
			t.Errorf("level %s %s: %+v\n%s", x.level, x.excluded, w, text)
		}
	}
}

// TestWantedWords: only what the delivering process says itself counts, however
// a sender words a message; days and peers are counted.
func TestWantedWords(t *testing.T) {
	log := strings.Join([]string{
		"Nov 20 10:00:00 mx postfix/smtp[7]: ABC: to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=1, delays=0/0/1/0, dsn=4.7.1, status=deferred (host mx.b.example[192.0.2.1] refused to talk to me: 421 4.7.1 mx.b.example Error: Client certificate not trusted)",
		"Nov 21 10:00:00 mx postfix/smtp[7]: ABC: to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=1, delays=0/0/1/0, dsn=4.7.1, status=deferred (host mx.b.example[192.0.2.1] refused to talk to me: 421 4.7.1 mx.b.example Error: No client certificate presented)",
		"Nov 22 10:00:00 mx postfix/cleanup[9]: ABC: message-id=<x postfix/smtp[7]: ABC: to=<a@b>, relay=evil[1]:25, delay=1, status=deferred (421 client certificate)>",
		"Nov 22 11:00:00 mx postfix/smtp[8]: setting up TLS connection to mx.c.example[192.0.2.2]:25",
		"Nov 22 11:00:01 mx postfix/smtp[8]: warning: TLS library problem: error:0A00045C:SSL routines::tlsv13 alert certificate required:../ssl/record/rec_layer_s3.c:1590:SSL alert number 116:",
		"Nov 23 10:00:00 mx postfix/smtp[8]: DEF: to=<a@d.example>, relay=mx.d.example[192.0.2.3]:25, delay=1, delays=0/0/1/0, dsn=2.0.0, status=sent (250 2.0.0 Ok: client certificate 421)",
		"Nov 23 10:00:00 mx dovecot: imap-login: client certificate required 421",
	}, "\n")
	w := detect.WantedIn(maillog.ParseAll(log, maillog.DefaultNames), time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	if !w.Seen || w.Days != 3 || w.Sent != 3 || len(w.By) != 2 {
		t.Fatalf("%+v", w)
	}
	if b := w.By[0]; b.Peer != "mx.b.example" || b.Times != 2 || !b.Refused || !strings.Contains(b.Words, "certificate") {
		t.Errorf("%+v", b)
	}
	if b := w.By[1]; b.Peer != "mx.c.example" || b.Times != 1 || !b.Refused {
		t.Errorf("%+v", b)
	}
}
