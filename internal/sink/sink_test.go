package sink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"strings"
	"testing"
	"time"
)

// start serves a behaviour on a port of its own.
func start(t *testing.T, name string, ids *Identities) (addr string, told chan Session) {
	t.Helper()
	b, ok := Named(name)
	if !ok {
		t.Fatalf("no behaviour %s", name)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	told = make(chan Session, 200)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	s := &Server{Behaviour: b, Host: "mx.example.org", Identities: ids, Told: func(s Session) { told <- s }}
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String(), told
}

// TestBehaviours: an independent client sees each misbehave in its way.
func TestBehaviours(t *testing.T) {
	ids, err := NewIdentities("mx.example.org")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(ids.RootPEM))
	mine, err := ids.Certificate(SelfSigned)
	if err != nil {
		t.Fatal(err)
	}
	var wrongName x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	for _, b := range Behaviours {
		t.Run(b.Name, func(t *testing.T) {
			addr, told := start(t, b.Name, ids)
			c, err := smtp.Dial(addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			offered, _ := c.Extension("STARTTLS")
			if want := b.Name != "no-starttls" && b.Name != "stripped"; offered != want {
				t.Errorf("STARTTLS offered: %v", offered)
			}
			config := &tls.Config{ServerName: "mx.example.org", RootCAs: roots, MinVersion: tls.VersionTLS10, Certificates: []tls.Certificate{mine}}
			err = c.StartTLS(config)
			if err == nil {
				err = c.Noop()
			}
			var good bool
			switch b.Name {
			case "trusted", "tls10-only", "tls13-only", "asks-certificate", "requires-certificate":
				good = err == nil
			case "self-signed":
				good = errors.As(err, &unknown)
			case "wrong-name":
				good = errors.As(err, &wrongName)
			case "expired":
				good = errors.As(err, &invalid) && invalid.Reason == x509.Expired
			default:
				good = err != nil
			}
			if !good {
				t.Fatalf("the handshake ended with %v", err)
			}
			if err != nil {
				return
			}
			state, _ := c.TLSConnectionState()
			if b.version != 0 && state.Version != b.version {
				t.Errorf("version %x", state.Version)
			}
			if err := errors.Join(c.Mail("a@example.org"), c.Rcpt("b@example.com")); err != nil {
				t.Fatal(err)
			}
			w, err := c.Data()
			if err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write([]byte("Subject: x\r\n\r\n.\r\nx\r\n"))
			if err := errors.Join(w.Close(), c.Quit()); err != nil {
				t.Fatal(err)
			}
			s := <-told
			if !s.Encrypted() || s.ServerName != "mx.example.org" || len(s.Recipients) != 1 || s.Recipients[0] != "b@example.com" {
				t.Errorf("%+v", s)
			}
			if asked := b.ask != tls.NoClientCert; asked != (s.Presented != "") {
				t.Errorf("client certificate %q", s.Presented)
			}
		})
	}
}

// TestStop: an open session does not keep a sink that is to end.
func TestStop(t *testing.T) {
	ids, err := NewIdentities("mx.example.org")
	if err != nil {
		t.Fatal(err)
	}
	addr, told := start(t, "trusted", ids)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // runs before the one that stops it
		select {
		case s := <-told:
			t.Errorf("%s ended by itself: %+v", c.LocalAddr(), s)
		case <-time.After(50 * time.Millisecond):
		}
	})
}

// TestTaken: only what was taken counts as delivered, and nothing of a client is
// kept without bounds.
func TestTaken(t *testing.T) {
	ids, err := NewIdentities("mx.example.org")
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		lines []string
		error string
	}{
		"left before the message": {[]string{"EHLO x", "MAIL FROM:<>", "RCPT TO:<b@example.com>", "QUIT"}, ""},
		"taken back":              {[]string{"EHLO x", "MAIL FROM:<>", "RCPT TO:<b@example.com>", "RSET", "DATA", ".", "QUIT"}, ""},
		"an endless command":      {[]string{"EHLO " + strings.Repeat("x", 5000), "QUIT"}, "4 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			addr, told := start(t, "trusted", ids)
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Write([]byte(strings.Join(x.lines, "\r\n") + "\r\n")); err != nil {
				t.Fatal(err)
			}
			s := <-told
			if len(s.Recipients) > 0 || len(s.HELO) > 4096 || !strings.Contains(s.Error, x.error) || x.error == "" && s.Error != "" {
				t.Errorf("%.300s", fmt.Sprintf("%+v", s))
			}
		})
	}
}

// TestMany: a crowd of clients waits, and does not take all memory.
func TestMany(t *testing.T) {
	ids, err := NewIdentities("mx.example.org")
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := start(t, "trusted", ids)
	greeted := 0
	for range maxSessions + 5 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if n, _ := c.Read(make([]byte, 3)); n == 3 {
			greeted++
		}
	}
	if greeted != maxSessions {
		t.Errorf("%d sessions at once", greeted)
	}
}
