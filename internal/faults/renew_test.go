//go:build linux && amd64

package faults

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/internal/lab/pebble"
)

// standalone lets Pebble run outside a test, until the process ends.
type standalone struct{}

func (standalone) Helper()        {}
func (standalone) Cleanup(func()) {}
func (standalone) Fatal(a ...any) { fmt.Fprintln(os.Stderr, a...); os.Exit(1) }

// serveCA is a CA inside a machine. It leaves its address, its root and the
// port on which it looks for challenges in dir.
func serveCA(dir string) {
	p := pebble.New(standalone{}, pebble.Options{HTTPPort: 80})
	p.DNS.Add("mx.example.org. 1 IN A 127.0.0.1")
	_, port, err := net.SplitHostPort(p.HTTPAddr)
	for _, f := range [][2]string{{"ca.pem", p.RootPEM}, {"http", port}, {"url", p.Directory}} {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, f[0]), []byte(f[1]), 0o644))
	}
	if err != nil {
		standalone{}.Fatal(err)
	}
	select {}
}

// cert is a run that changes a file with a key and its certificate.
type cert struct {
	argv []string
	file string
	// next is where the key lies that may take the place of the one in file.
	next string
	// moves: another key is in the file when the run has ended.
	moves bool
	// exact: exit code 1 says that the file is as it was.
	exact bool
	// done is what the run says, and nothing more, if it has nothing to do; empty if
	// it always has, or ends with 0 then.
	done string
}

const certsDir = ownDir + "/certs/mx.example.org"

var (
	renewed    = cert{argv: []string{program, "cert", "renew", "--force"}, file: certsDir + "/ecdsa.pem", next: certsDir + "/ecdsa.next.pem"}
	rolledOver = cert{argv: []string{program, "cert", "rollover", "mx.example.org", "--compromised", "--accept-risk", "dane-gap"}, file: renewed.file, next: renewed.next, moves: true}
	firstSelf  = cert{argv: []string{program, "cert", "self-signed"}, file: certsDir + "/self-signed.pem"}
	// nextSelf lacks a name, and is shown.
	nextSelf   = cert{argv: []string{program, "cert", "self-signed", "--name", "mx.example.org", "--name", "mail.example.org"}, file: firstSelf.file}
	nextClient = cert{argv: []string{program, "cert", "client", "new", "--switch"}, file: ownDir + "/certs/client/client.pem", next: ownDir + "/certs/client/client.next.pem", moves: true, exact: true, done: "there is no next key"}
)

// partner is a bed that sends with a certificate of its own, and has the next.
func partner(t *testing.T) *bed {
	b := newBed(t, masterCF+"smtp unix - - n - - smtp\n", "apply", "--yes", "--no-rehearsal", "--client-cert", nextClient.file, "--accept-risk", "drop-tls10,drop-old-ciphers,drop-old-ciphers")
	b.must(t, program, "cert", "client", "new")
	b.must(t, program, "cert", "client", "new")
	return b.served(t)
}

// selfSigned is a bed whose Postfix shows a certificate that no CA has signed.
func selfSigned(t *testing.T) *bed {
	b := newBed(t, masterCF, "apply", "--yes", "--no-rehearsal", "--cert", firstSelf.file, "--accept-risk", "drop-tls10,drop-old-ciphers,drop-rsa,self-signed-certificate,unproved-dane")
	b.must(t, firstSelf.argv...)
	return b.served(t)
}

// served applies, and takes what is there then as what stays.
func (b *bed) served(t *testing.T) *bed {
	t.Helper()
	b.must(t, b.apply...)
	b.before = b.files(t)
	b.after = b.before
	b.keep(t, "start")
	return b
}

// renewer is a bed with a CA, whose Postfix shows a certificate of it.
func renewer(t *testing.T) *bed {
	b := newBed(t, masterCF, "apply", "--yes", "--no-rehearsal", "--cert", renewed.file, "--accept-risk", "drop-tls10,drop-old-ciphers,incomplete-chain,drop-rsa,unproved-dane")
	b.must(t, "mkdir", "/tmp/ca")
	argv := b.Argv("env", "FAULTS_CA=/tmp/ca", "/usr/bin/striker")
	ca := exec.Command(argv[0], argv[1:]...)
	ca.Stderr = os.Stderr
	if err := ca.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ca.Process.Kill(); _ = ca.Wait() })
	for n := 0; !b.exists("/tmp/ca/url"); n++ {
		if n == 400 {
			t.Fatal("the CA does not come up")
		}
		time.Sleep(25 * time.Millisecond)
	}
	b.must(t, "sh", "-c", program+" cert obtain --server $(cat /tmp/ca/url) --acme-ca-file /tmp/ca/ca.pem --http-listen 127.0.0.1:$(cat /tmp/ca/http) --key-type P256 --accept-terms")
	return b.served(t)
}

// TestRenewalCut kills a renewal at two places that a slice may miss: while it tries
// the new certificate on a private Postfix, of which nothing may stay, and between
// writing and proving, after which the next ones must not take the certificate for
// somebody else's.
func TestRenewalCut(t *testing.T) {
	skipOthers(t, "renewal cut")
	t.Parallel()
	b := renewer(t)
	for _, finishing := range []int{0, 1} {
		b.back(t, "start")
		old := renewed.read(b)
		b.on(t, "reload", killed)
		code, out := b.do(renewed.argv...)
		err := renewed.judge(b, t, struck{code: code, out: out}, old, finishing)
		if code != 137 || !strings.Contains(out, "✓ write") {
			err = errors.New("it was not killed after it had written")
		}
		tally.add("renewal killed before it was proved", err == nil)
		if err != nil {
			t.Errorf("finishing %v: %v\n%s", finishing, err, indent(out))
		}
	}
	for n := 60; n < 100; n += 8 {
		b.back(t, "start")
		old := renewed.read(b)
		r := b.strike(kill, n, renewed.argv...)
		if !strings.Contains(r.hit, "/postseal-rehearse-") {
			continue
		}
		err := renewed.judge(b, t, r, old, 1)
		tally.add("renewal killed while it tries", err == nil)
		if err != nil {
			t.Errorf("kill %d (%s), exit code %d: %v\n%s", n, r.hit, r.code, err, indent(r.out))
		}
		return
	}
	t.Error("it was never struck there")
}

// pair is what is in the file of a cert: whole is an error if that is no key with
// its certificate. keys are those that may be there now.
type pair struct {
	text  []byte
	whole error
	key   crypto.PublicKey
	keys  []crypto.PublicKey
}

// read reads the file; of none, nothing.
func (c *cert) read(b *bed) (p pair) {
	if c == nil {
		return p
	}
	text, err := os.ReadFile(b.Path(c.file))
	if errors.Is(err, fs.ErrNotExist) {
		return p
	}
	p.text = text
	_, whole := tls.X509KeyPair(text, text)
	p.whole = errors.Join(err, whole)
	if p.key = publicKey(text); p.key != nil {
		p.keys = append(p.keys, p.key)
	}
	if next, err := os.ReadFile(b.Path(c.next)); err == nil && c.next != "" {
		p.keys = append(p.keys, publicKey(next))
	}
	return p
}

// publicKey is the public half of the private key in a file.
func publicKey(text []byte) crypto.PublicKey {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return nil
		}
		if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if s, ok := key.(crypto.Signer); ok {
				return s.Public()
			}
		}
		text = rest
	}
}

func same(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// judge looks at what a blow has left, and lets the next run put it right: the file
// is the old one or a whole new one, and Postfix serves with it.
func (c *cert) judge(b *bed, t *testing.T, r struck, old pair, n int) error {
	t.Helper()
	whole := func() error {
		now := c.read(b)
		if now.whole != nil || now.text == nil && old.text != nil {
			return fmt.Errorf("%s is neither the old one nor a whole new one: %w", c.file, now.whole)
		}
		if b.files(t) != b.before {
			return errors.New("main.cf or master.cf was changed")
		}
		return errors.Join(b.mail(), b.exposed())
	}
	if err := whole(); err != nil {
		return err
	}
	now := c.read(b)
	changed := !bytes.Equal(now.text, old.text)
	switch {
	case old.text != nil && !slices.ContainsFunc(old.keys, func(k crypto.PublicKey) bool { return same(k, now.key) }):
		return errors.New("the key is neither the one from before nor the next")
	case r.code == 1 && changed && c.exact:
		return errors.New("it says that nothing was changed, and the next key is in place")
	case r.code == 5 && changed:
		return errors.New("it says that it was rolled back, and it was not")
	case r.code == 6 && !strings.Contains(r.out, stateDir+"/backups/"):
		return errors.New("it does not say where the backups are")
	case r.code != 0 && r.code != 130 && r.code != 137 && !strings.Contains(r.out, "hint: "):
		return errors.New("it does not say what to type")
	}
	if code, out := b.do("postfix", "reload"); code != 0 {
		return fmt.Errorf("Postfix does not reload: %s", out)
	}
	if err := whole(); err != nil {
		return fmt.Errorf("after a reload: %w", err)
	}
	if b.exists(journal) {
		code, out := b.do(c.argv...)
		if code == 0 || !strings.Contains(out, "postseal undo") {
			return fmt.Errorf("the next run ends with %d and does not say what to type: %s", code, out)
		}
		way := undo
		if n%2 == 0 && strings.Contains(out, "--finish") {
			way = finish
		}
		code, out = b.do(way...)
		if way[1] == "apply" && code == 1 && strings.Contains(out, "hint: postseal undo") {
			code, out = b.do(undo...)
		}
		if code != 0 {
			return fmt.Errorf("%v ends with %d: %s", way[1:], code, out)
		}
		if err := whole(); err != nil {
			return fmt.Errorf("after %v: %w", way[1:], err)
		}
	}
	code, out := b.do(c.argv...)
	if code == 1 && c.done != "" && changed && strings.Contains(out, c.done) {
		code = 0
	}
	if code != 0 {
		return fmt.Errorf("the next run ends with %d: %s", code, out)
	}
	if err := whole(); err != nil {
		return fmt.Errorf("after the next run: %w", err)
	}
	if now = c.read(b); bytes.Equal(now.text, old.text) || c.moves && same(now.key, old.key) {
		return errors.New("the next run does not do its work")
	}
	if len(now.keys) == 2 && same(now.keys[0], now.keys[1]) {
		return errors.New("after the next run the next key is the present one")
	}
	if left := b.left(); len(left) > 0 {
		return fmt.Errorf("left behind after the next run: %s", strings.Join(left, ", "))
	}
	return nil
}
