package probe

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzReply: whatever a server sends, it is read to an end without a panic, and
// what is accepted has a version.
func FuzzReply(f *testing.F) {
	f.Add([]byte{21, 3, 3, 0, 2, 2, 40})
	f.Add(append([]byte{22, 3, 3, 0, 44, 2, 0, 0, 40, 3, 3}, make([]byte, 40)...))
	f.Add([]byte("220 not TLS at all\r\n"))
	f.Add(hello{version: tls13, suites: []uint16{0x1301}}.marshal())
	f.Fuzz(func(t *testing.T, data []byte) {
		var r reply
		err := r.read(bytes.NewReader(data))
		if err == nil && r.accepted && r.version == 0 {
			t.Errorf("accepted without a version: %x", data)
		}
		if r.dhBits < 0 || r.authorities < 0 || len(r.chain) > maxChain || len(slices.Concat(r.chain...)) > len(data) {
			t.Errorf("%+v", r)
		}
	})
}

// FuzzConversation: whatever a server says in clear, replies are read to an end,
// and none has more than was said.
func FuzzConversation(f *testing.F) {
	for _, text := range []string{"220 here\r\n250-here\r\n250-SIZE\r\n250 STARTTLS\r\n", "220\n", "220-a\r\n221 b\r\n", "421 4.7.0 too many\r\n", "99\r\n", "250-\r\n250-\r\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &conversation{in: bufio.NewReader(bytes.NewReader(data)), left: maxText}
		for n := 0; ; n++ {
			text, err := c.reply(250)
			var other *textproto.Error
			if err != nil && !errors.As(err, &other) {
				return
			}
			if n > len(data)/4 || len(text) > len(data) || strings.Count(text, "\n") > bytes.Count(data, []byte{'\n'}) {
				t.Fatalf("reply %d of %q is %q", n, data, text)
			}
		}
	})
}

// FuzzSealed: whatever comes under encryption is read to an end.
func FuzzSealed(f *testing.F) {
	f.Add([]byte{11, 0, 0, 11, 0, 0, 0, 7, 0, 0, 2, 1, 1, 0, 0, 15, 0, 0, 2, 4, 3, 20, 0, 0, 0})
	f.Add([]byte{13, 0, 0, 9, 0, 0, 6, 0, 47, 0, 2, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		var s sealed
		m := messages{each: s.message}
		_, _ = m.add(data)
		if len(s.chain) > maxChain || len(slices.Concat(s.chain...)) > len(data) || s.authorities > len(data) {
			t.Errorf("%+v", s)
		}
	})
}

// TestSuites: each has one number and both names.
func TestSuites(t *testing.T) {
	if len(suites) < 120 || len(suiteByID) != len(suites) {
		t.Errorf("%d suites, %d numbers", len(suites), len(suiteByID))
	}
	for _, s := range suites {
		if s.Name == "" || s.OpenSSL == "" {
			t.Errorf("%+v", s)
		}
	}
}

// TestInjected: a server that keeps what came in clear text behind STARTTLS is
// found out, and one that throws it away is not accused.
func TestInjected(t *testing.T) {
	for name, keeps := range map[string]bool{"keeps it": true, "throws it away": false} {
		t.Run(name, func(t *testing.T) {
			addr := careless(t, keeps)
			e := &enumerator{stop: func(error) {}, target: Target{Addr: addr}, gate: NewGate(), out: &Enumeration{}}
			if injected := e.injected(context.Background()); injected == nil || *injected != keeps {
				t.Errorf("injected %v", injected)
			}
			if e.trouble != nil {
				t.Error(e.trouble)
			}
		})
	}
	e := &enumerator{stop: func(error) {}, target: Target{Addr: "127.0.0.1:1"}, gate: NewGate(), out: &Enumeration{}}
	if e.injected(context.Background()) != nil || e.trouble == nil {
		t.Error("what could not be asked is no answer")
	}
	if e.trouble = nil; len(e.names(context.Background())) > 0 || e.trouble == nil {
		t.Error("what could not be asked is no answer")
	}
}

// careless is a mail server that reads ahead, and keeps or drops it.
func careless(t *testing.T, keeps bool) (addr string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return Serve(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		_, _ = io.WriteString(c, "220 here\r\n")
		_, _ = in.ReadString('\n')
		_, _ = io.WriteString(c, "250-here\r\n250 STARTTLS\r\n")
		_, _ = in.ReadString('\n')
		time.Sleep(50 * time.Millisecond) // so that what comes behind is there
		_, _ = in.Peek(1)
		ahead := in.Buffered()
		kept := make([]byte, ahead)
		_, _ = io.ReadFull(in, kept)
		_, _ = io.WriteString(c, "220 go\r\n")
		conn := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
		if conn.Handshake() != nil {
			return
		}
		if keeps && ahead > 0 {
			_, _ = io.WriteString(conn, "250 ok\r\n")
		}
		_, _ = bufio.NewReader(conn).ReadString('\n')
		_, _ = io.WriteString(conn, "250-here\r\n250 SIZE\r\n")
		_, _ = conn.Read(make([]byte, 100))
	})
}
