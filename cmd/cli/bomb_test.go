package cli_test

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bomb is a certificate that costs much to check: one of many CAs of one name, or one
// with an RSA key of a size that nobody uses.
func bomb(t *testing.T, public crypto.PublicKey, signer *ecdsa.PrivateKey, serial int64) []byte {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "bomb"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, SubjectKeyId: []byte{1}, AuthorityKeyId: []byte{1},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, public, signer)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// hostile is a mail server with a chain. It sends heard a value for each connection that
// has begun TLS.
func hostile(t *testing.T, chain tls.Certificate, heard chan<- struct{}) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				_, _ = fmt.Fprint(conn, "220 mx ESMTP\r\n")
				for in := bufio.NewScanner(conn); in.Scan(); {
					if in.Text() == "STARTTLS" {
						_, _ = fmt.Fprint(conn, "220 go\r\n")
						select {
						case heard <- struct{}{}:
						default:
						}
						_ = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{chain}, MinVersion: tls.VersionTLS10}).Handshake() //nolint:gosec // what old servers do
						return
					}
					_, _ = fmt.Fprint(conn, "250-mx\r\n250 STARTTLS\r\n")
				}
			}()
		}
	}()
	return l.Addr().String()
}

// TestBombs: the built program ends soon against a server whose certificates take minutes
// to check: whether it is left alone, its time is up, or it is interrupted.
func TestBombs(t *testing.T) {
	program := filepath.Join(t.TempDir(), "postseal-probe")
	if out, err := exec.Command("go", "build", "-o", program, "postseal/cmd/postseal-probe").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	small, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	n := new(big.Int).Lsh(big.NewInt(1), 900_000-1)
	huge := bomb(t, &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537}, small, 1)
	var crowd [][]byte
	for i := range int64(200) {
		key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			small = key // of the leaf
		}
		crowd = append(crowd, bomb(t, key.Public(), key, i+1))
	}
	for name, chain := range map[string]tls.Certificate{
		"200 CAs of one name": {Certificate: crowd, PrivateKey: small},
		"RSA of 900 kbit":     {Certificate: [][]byte{huge}, PrivateKey: small},
	} {
		for how, args := range map[string][]string{"by itself": {"--timeout", "60s"}, "timeout": {"--timeout", "2s"}, "signal": {"--timeout", "60s"}} {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				heard := make(chan struct{}, 1)
				cmd := exec.Command(program, append(args, hostile(t, chain, heard))...)
				var out strings.Builder
				cmd.Stdout, cmd.Stderr = &out, &out
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				ended := make(chan error, 1)
				go func() { ended <- cmd.Wait() }()
				if how == "signal" {
					<-heard
					if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
						t.Fatal(err)
					}
				}
				select {
				case <-ended:
				case <-time.After(20 * time.Second): // on a loaded machine; it was minutes
					_ = cmd.Process.Kill()
					<-ended
					t.Errorf("it does not end: %s", out.String())
				}
				if cmd.ProcessState.ExitCode() < 0 {
					t.Errorf("%s: %s", cmd.ProcessState, out.String())
				}
			})
		}
	}
}
