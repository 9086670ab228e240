package lineage_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"net"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/lab/pebble"
	"postseal/internal/lineage"
)

// TestStepCA: a private CA as people run it gives a leaf with both uses, which
// two real Postfixes trust, each in its direction. make step-ca runs it.
func TestStepCA(t *testing.T) {
	program := os.Getenv("POSTSEAL_STEPCA")
	if program == "" {
		t.Skip("make step-ca gets the program and runs this")
	}
	dir := lab.Dir(t)
	ca, dns := lab.NewCA(t), pebble.NewDNS(t)
	dns.Add("mx.test. 1 IN A 127.0.0.1")
	lab.Write(t, dir, "intermediate.crt", ca.IntermediatePEM, 0o644)
	lab.Write(t, dir, "intermediate.key", ca.IntermediateKeyPEM(t), 0o600)
	root := lab.Write(t, dir, "root.crt", ca.RootPEM, 0o644)
	addr := lab.Addr(t)
	httpAddr := lab.Addr(t)
	_, httpPort, _ := net.SplitHostPort(httpAddr)
	config, err := json.Marshal(map[string]any{
		"root": root, "crt": dir + "/intermediate.crt", "key": dir + "/intermediate.key", "address": addr, "dnsNames": []string{"127.0.0.1"},
		"db":        map[string]any{"type": "badgerv2", "dataSource": dir + "/db"},
		"authority": map[string]any{"provisioners": []map[string]any{{"type": "ACME", "name": "acme"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "step-ca.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(program, lab.Write(t, dir, "ca.json", string(config), 0o600), "--resolver", dns.Addr, "--insecure", "--acme-http-port", httpPort)
	cmd.Stdout, cmd.Stderr, cmd.Env = log, log, append(os.Environ(), "STEPPATH="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("step-ca says:\n%s", text)
		}
	})
	k := &lineage.Keeper{
		Store: lineage.Store{M: host.Local{}, StateDir: dir + "/state", CertsDir: dir + "/certs"}, Poll: time.Second,
		Facts: &detect.Facts{Root: true, Now: time.Now(), Resolver: detect.Resolver{Servers: []string{dns.Addr}}},
	}
	f, err := detect.Look(context.Background(), host.Local{}, lab.Postfix(t, "", "%s inet n - n - - smtpd").Config(), k.CertsDir, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.Resolver = detect.Resolver{Servers: []string{dns.Addr}}
	k.Facts = f
	l := &lineage.Lineage{
		Name: "mx.test", Server: "https://" + addr + "/acme/acme/directory", CAFile: root, Names: []string{"mx.test"}, KeyTypes: []string{"P256"}, BothUses: true,
		Challenge: lineage.Challenge{Kind: "http-01", Listen: httpAddr},
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if _, err = k.Meta(context.Background(), l); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if err := k.Obtain(context.Background(), l, lineage.Terms{Accept: true}); err != nil {
		t.Fatal(err)
	}
	path := k.Path(l, "ecdsa")
	c := chain(t, path)
	roots, middle := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(ca.RootPEM))
	middle.AppendCertsFromPEM([]byte(ca.IntermediatePEM))
	for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		if _, err := c.Leaf().Verify(x509.VerifyOptions{Roots: roots, Intermediates: middle, KeyUsages: []x509.ExtKeyUsage{use}}); err != nil {
			t.Errorf("use %v: %v", use, err)
		}
	}
	receiver := lab.Postfix(t, "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = "+path+"\nsmtpd_tls_CAfile = "+root+"\nsmtpd_tls_ask_ccert = yes\nsmtpd_tls_loglevel = 1\n", "%s inet n - n - - smtpd")
	sender := lab.Sender(t, receiver.Addrs[0], "smtp_tls_security_level = may\nsmtp_tls_chain_files = "+path+"\nsmtp_tls_CAfile = "+root+"\nsmtp_tls_loglevel = 1\n")
	if err := smtp.SendMail(sender.Addrs[0], nil, "a@example.org", []string{"b@elsewhere.example"}, []byte("Subject: x\r\n\r\nx\r\n")); err != nil {
		t.Fatal(err)
	}
	for log, want := range map[string]string{receiver.LogPath(): ": Trusted TLS connection established from", sender.LogPath(): ": Trusted TLS connection established to"} {
		waitFor(t, func() bool {
			text, _ := os.ReadFile(log)
			return strings.Contains(string(text), want)
		})
	}
	if out := k.Renew(context.Background(), []*lineage.Lineage{l}, true); len(out) != 1 || !out[0].Renewed {
		t.Errorf("%+v", out)
	}
}
