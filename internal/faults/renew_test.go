//go:build linux && amd64

package faults

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
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

const chainFile = ownDir + "/certs/mx.example.org/ecdsa.pem"

// renewer is a bed with a CA, whose Postfix shows a certificate of it.
func renewer(t *testing.T) *bed {
	b := newBed(t, masterCF, "apply", "--yes", "--no-rehearsal", "--cert", chainFile, "--accept-risk", "drop-tls10,incomplete-chain,drop-rsa")
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
	b.must(t, b.apply...)
	b.before = b.files(t)
	b.after = b.before
	b.keep(t, "start")
	return b
}

// TestRenewalCut kills a renewal between writing and proving. The next ones
// must not take the certificate for somebody else's.
func TestRenewalCut(t *testing.T) {
	t.Parallel()
	b := renewer(t)
	for _, finishing := range []bool{false, true} {
		b.back(t, "start")
		old := b.chain(t)
		b.on(t, "reload", killed)
		code, out := b.do(program, "cert", "renew", "--force")
		err := b.renewed(t, struck{code: code, out: out}, old, finishing)
		if code != 137 || !strings.Contains(out, "✓ write") {
			err = errors.New("it was not killed after it had written")
		}
		tally.add("renewal killed before it was proved", err == nil)
		if err != nil {
			t.Errorf("finishing %v: %v\n%s", finishing, err, indent(out))
		}
	}
}

// TestRenewalTried kills a renewal while it tries the new certificate on a
// private Postfix: of that nothing may stay.
func TestRenewalTried(t *testing.T) {
	t.Parallel()
	b := renewer(t)
	for n := 60; n < 100; n += 8 {
		b.back(t, "start")
		old := b.chain(t)
		r := b.strike(kill, n, program, "cert", "renew", "--force")
		if !strings.Contains(r.hit, "/postseal-rehearse-") {
			continue
		}
		err := b.renewed(t, r, old, false)
		tally.add("renewal killed while it tries", err == nil)
		if err != nil {
			t.Errorf("kill %d (%s), exit code %d: %v\n%s", n, r.hit, r.code, err, indent(r.out))
		}
		return
	}
	t.Error("it was never struck there")
}

// TestRenewal strikes at the changes of a renewal, each of which takes a while:
// the chain file is the old one or a whole new one, and Postfix serves with it.
func TestRenewal(t *testing.T) {
	if !*all {
		t.Skip("orders take their time: make faults")
	}
	for i, how := range []blow{kill, eio, full} {
		name := fmt.Sprintf("%s at each fourth change of: renewal", how)
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			b := renewer(t)
			const every = 4
			for n := 1 + i; ; n += every {
				if n > 2000 {
					t.Fatal("the run never ends")
				}
				b.back(t, "start")
				old := b.chain(t)
				r := b.strike(how, n, program, "cert", "renew", "--force")
				if r.hit == "" {
					if r.code != 0 || bytes.Equal(b.chain(t), old) {
						t.Errorf("without a fault it ended with %d: %s", r.code, r.out)
					}
					break
				}
				err := b.renewed(t, r, old, n%2 == 0)
				tally.add(name, err == nil)
				if err != nil {
					t.Errorf("%s %d (%s), exit code %d: %v\n%s", how, n, r.hit, r.code, err, indent(r.out))
				}
			}
		})
	}
}

func (b *bed) chain(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(b.Path(chainFile))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// renewed looks at what a blow to a renewal has left, and lets the next one put
// it right.
func (b *bed) renewed(t *testing.T, r struck, old []byte, finishing bool) error {
	t.Helper()
	whole := func() error {
		now := b.chain(t)
		if _, err := tls.X509KeyPair(now, now); err != nil {
			return fmt.Errorf("the chain file is neither the old one nor a whole new one: %w", err)
		}
		if b.files(t) != b.before {
			return errors.New("main.cf or master.cf was changed")
		}
		return b.mail()
	}
	if err := whole(); err != nil {
		return err
	}
	changed := !bytes.Equal(b.chain(t), old)
	switch {
	case r.code == 5 && changed:
		return errors.New("it says that it was rolled back, and it was not")
	case r.code == 6 && !strings.Contains(r.out, stateDir+"/backups/"):
		return errors.New("it does not say where the backups are")
	case r.code != 0 && r.code != 137 && !strings.Contains(r.out, "hint: "):
		return errors.New("it does not say what to type")
	}
	if code, out := b.do("postfix", "reload"); code != 0 {
		return fmt.Errorf("Postfix does not reload: %s", out)
	}
	if err := whole(); err != nil {
		return fmt.Errorf("after a reload: %w", err)
	}
	if b.exists(journal) {
		code, out := b.do(program, "cert", "renew", "--force")
		if code == 0 || !strings.Contains(out, "postseal undo") {
			return fmt.Errorf("the next renewal ends with %d and does not say what to type: %s", code, out)
		}
		way := undo
		if finishing && strings.Contains(out, "--finish") {
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
	if code, out := b.do(program, "cert", "renew", "--force"); code != 0 {
		return fmt.Errorf("the next renewal ends with %d: %s", code, out)
	}
	if bytes.Equal(b.chain(t), old) {
		return errors.New("the next renewal does not renew")
	}
	if err := whole(); err != nil {
		return fmt.Errorf("after the next renewal: %w", err)
	}
	if left := b.left(); len(left) > 0 {
		return fmt.Errorf("left behind after the next renewal: %s", strings.Join(left, ", "))
	}
	return nil
}
