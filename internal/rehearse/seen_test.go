package rehearse_test

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"testing"

	"postseal/internal/hello"
	"postseal/internal/rehearse"
)

// offered is the hello of a Go client with a configuration.
func offered(t *testing.T, c *tls.Config) *hello.Hello {
	t.Helper()
	c.ServerName = "mx.example.org"
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() { _ = tls.Client(theirs, c).Handshake() }()
	buf := make([]byte, 1<<14)
	n, err := ours.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	h, err := new(hello.Reader).Add(buf[:n])
	if err != nil || h == nil {
		t.Fatal(err)
	}
	return h
}

// TestSeen: a hello that was seen gets through or not, as its sender would.
func TestSeen(t *testing.T) {
	b := newBed(t)
	suites := []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA}
	hellos := []rehearse.Seen{
		{Name: "seen modern", Hello: offered(t, &tls.Config{MinVersion: tls.VersionTLS12})},
		{Name: "seen 1.3 alone", Hello: offered(t, &tls.Config{MinVersion: tls.VersionTLS13})},
		{Name: "seen P-384", Hello: offered(t, &tls.Config{MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.CurveP384}})},
		{Name: "seen CBC", Hello: offered(t, &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: suites})},
		{Name: "seen old", Hello: offered(t, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10, CipherSuites: suites})},
	}
	base := "smtpd_tls_chain_files = " + b.ec + ", " + b.rs + "\nsmtpd_tls_security_level = may\n"
	for name, c := range map[string]struct {
		main string
		want map[string]string
	}{
		"permissive": {base + "smtpd_tls_protocols = >=TLSv1\n", map[string]string{"seen modern": "TLS 1.3 ", "seen 1.3 alone": "TLS 1.3 ", "seen P-384": "TLS 1.3 ", "seen CBC": "TLS 1.2 ECDHE-RSA-AES128-SHA", "seen old": "TLS 1.0 ECDHE-RSA-AES128-SHA"}},
		"TLS 1.2":    {base + "smtpd_tls_protocols = >=TLSv1.2\n", map[string]string{"seen modern": "TLS 1.3 ", "seen 1.3 alone": "TLS 1.3 ", "seen CBC": "TLS 1.2 ECDHE-RSA-AES128-SHA", "seen old": "refused (alert: protocol version)"}},
		"no CBC":     {base + "smtpd_tls_protocols = >=TLSv1.2\nsmtpd_tls_exclude_ciphers = SHA1, kRSA\n", map[string]string{"seen modern": "TLS 1.3 ", "seen CBC": "refused (alert: handshake failure)"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := rehearse.Receive(context.Background(), b.candidate(t, c.main, plainMaster), rehearse.Options{Hellos: hellos})
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Failures()) > 0 {
				t.Errorf("%+v", r.Failures())
			}
			for client, want := range c.want {
				x := row(t, r, "127.0.0.1:2525", client)
				verdict := rehearse.Fine
				if strings.HasPrefix(want, "refused") {
					verdict = rehearse.Noted
				}
				if !strings.HasPrefix(x.Got, want) || x.Verdict != verdict {
					t.Errorf("%s: %+v", client, x)
				}
			}
		})
	}
}
