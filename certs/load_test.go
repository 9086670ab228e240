package certs_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"postseal/certs"
	"postseal/internal/lab"
	"postseal/internal/probe"
)

// shape is a file as people make them.
type shape struct{ name, text string }

// shapes are the ways in which a file of key and chain can look.
func shapes(t *testing.T) []shape {
	ca := lab.NewCA(t)
	ec, rs, other := ca.Issue(t, lab.Leaf{}), ca.Issue(t, lab.Leaf{RSA: true}), ca.Issue(t, lab.Leaf{})
	encode := func(kind string, der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	der, err := x509.MarshalECPrivateKey(ec.Signer.(*ecdsa.PrivateKey))
	sec1 := encode("EC PRIVATE KEY", der, err)
	pkcs1 := encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rs.Signer.(*rsa.PrivateKey)), nil)
	chain := ca.IntermediatePEM
	good := ec.Key + ec.Cert + chain
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edLeaf := ca.Certify(t, lab.Leaf{}, ed)
	lock := func(args ...string) string {
		cmd := exec.Command("openssl", args...)
		cmd.Stdin = strings.NewReader(sec1)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	wide := func(s string) string {
		b := []byte{0xff, 0xfe}
		for _, u := range utf16.Encode([]rune(s)) {
			b = append(b, byte(u), byte(u>>8))
		}
		return string(b)
	}
	long := func(s string) string {
		var b strings.Builder
		for rest := []byte(s); ; {
			p, more := pem.Decode(rest)
			if p == nil {
				return b.String()
			}
			fmt.Fprintf(&b, "-----BEGIN %s-----\n%s\n-----END %s-----\n", p.Type, base64.StdEncoding.EncodeToString(p.Bytes), p.Type)
			rest = more
		}
	}
	return []shape{
		{"PKCS#8 key, leaf, intermediate", good},
		{"SEC1 key", sec1 + ec.Cert + chain},
		{"PKCS#1 key", pkcs1 + rs.Cert + chain},
		{"Ed25519", edLeaf.Key + edLeaf.Cert + chain},
		{"CRLF", strings.ReplaceAll(good, "\n", "\r\n")},
		{"text before, between and after", "hello\n" + ec.Key + "subject=x\n" + ec.Cert + "more\n" + chain + "bye\n"},
		{"no final newline", strings.TrimSpace(good)},
		{"base64 on one line", long(good)},
		{"with the root", good + ca.RootPEM},
		{"leaf twice", ec.Key + ec.Cert + ec.Cert + chain},
		{"intermediate missing", ec.Key + ec.Cert},
		{"stranger after the chain", good + other.Cert},
		{"EC PARAMETERS before the key", "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + sec1 + ec.Cert + chain},
		{"byte order mark", "\ufeff" + good},
		{"blocks glued together", strings.ReplaceAll(good, "-----\n-----", "----------")},
		{"indented", "  " + strings.ReplaceAll(strings.TrimSpace(good), "\n", "\n  ") + "\n"},
		{"only the key is indented", "  " + strings.ReplaceAll(strings.TrimSpace(ec.Key), "\n", "\n  ") + "\n" + ec.Cert + chain},
		{"UTF-16", wide(good)},
		{"empty", ""},
		{"garbage", "not PEM at all\n"},
		{"certificate first, key last", ec.Cert + chain + ec.Key},
		{"certificate, key, chain", ec.Cert + ec.Key + chain},
		{"intermediate before the leaf", ec.Key + chain + ec.Cert},
		{"key of another certificate", other.Key + ec.Cert + chain},
		{"key alone", ec.Key},
		{"certificates alone", ec.Cert + chain},
		{"two keys, then two certificates", ec.Key + rs.Key + ec.Cert + rs.Cert},
		{"RSA and ECDSA, each with its chain", rs.Key + rs.Cert + chain + good},
		{"two of ECDSA", good + other.Key + other.Cert + chain},
		{"X509 CERTIFICATE", strings.ReplaceAll(good, " CERTIFICATE", " X509 CERTIFICATE")},
		{"TRUSTED CERTIFICATE", strings.ReplaceAll(good, " CERTIFICATE", " TRUSTED CERTIFICATE")},
		{"encrypted PKCS#8", lock("pkcs8", "-topk8", "-passout", "pass:x") + ec.Cert},
		{"encrypted the old way", lock("ec", "-aes256", "-passout", "pass:x") + ec.Cert},
		{"SEC1 labelled PRIVATE KEY", strings.ReplaceAll(sec1, "EC PRIVATE", "PRIVATE") + ec.Cert},
		{"SEC1 labelled RSA PRIVATE KEY", strings.ReplaceAll(sec1, "EC PRIVATE", "RSA PRIVATE") + ec.Cert},
		{"PKCS#8 labelled EC PRIVATE KEY", strings.ReplaceAll(ec.Key, " PRIVATE", " EC PRIVATE") + ec.Cert},
		{"ECDSA labelled RSA PRIVATE KEY", strings.ReplaceAll(ec.Key, " PRIVATE", " RSA PRIVATE") + ec.Cert},
		{"PKCS#8 labelled RSA PRIVATE KEY", strings.ReplaceAll(rs.Key, " PRIVATE", " RSA PRIVATE") + rs.Cert},
		{"PKCS#1 labelled PRIVATE KEY", strings.ReplaceAll(pkcs1, "RSA PRIVATE", "PRIVATE") + rs.Cert},
		{"damaged certificate", strings.Replace(good, ec.Cert[40:60], "!!!!!!!!!!!!!!!!!!!!", 1)},
		{"cut off", good[:len(good)-40]},
		{"expired", func() string {
			e := ca.Issue(t, lab.Leaf{NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(0, 0, -1)})
			return e.Key + e.Cert + chain
		}()},
		{"client use only", func() string {
			e := ca.Issue(t, lab.Leaf{Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
			return e.Key + e.Cert + chain
		}()},
	}
}

// TestLoads: what we say of a file is what a real smtpd does with it.
func TestLoads(t *testing.T) {
	lab.Need(t, "openssl")
	all := shapes(t)
	dir := lab.Dir(t)
	services := make([]string, len(all))
	for i, s := range all {
		path := lab.Write(t, dir, fmt.Sprintf("%02d.pem", i), s.text, 0o600)
		services[i] = "%s inet n - n - - smtpd -o smtpd_tls_chain_files=" + path
	}
	server := lab.Postfix(t, "smtpd_tls_security_level = may\n", services...)
	starts := make([]error, len(all))
	var wg sync.WaitGroup
	limit := make(chan struct{}, 8)
	for i := range all {
		wg.Add(1)
		go func() {
			defer wg.Done()
			limit <- struct{}{}
			defer func() { <-limit }()
			_, starts[i] = probe.Handshake(context.Background(), probe.Target{Addr: server.Addrs[i]}, probe.Options{Timeout: 30 * time.Second})
		}()
	}
	wg.Wait()
	loaded := 0
	for i, s := range all {
		b, err := certs.Read("file.pem", []byte(s.text))
		refusal := b.Refusal()
		if err != nil {
			refusal = err.Error()
		}
		if (starts[i] == nil) != (refusal == "") {
			t.Errorf("%s: Postfix %v, we say %q", s.name, starts[i], refusal)
		}
		if starts[i] == nil {
			loaded++
		} else if !strings.Contains(starts[i].Error(), "454") {
			t.Errorf("%s: %v is no refusal to load", s.name, starts[i])
		}
	}
	if loaded < 10 || len(all)-loaded < 10 {
		t.Errorf("%d of %d load: the table says nothing", loaded, len(all))
	}
}

// TestSkippedCA: a CA certificate that Go refuses and OpenSSL reads hides no other.
func TestSkippedCA(t *testing.T) {
	lab.Need(t, "openssl")
	ca := lab.NewCA(t)
	odd := ca.NegativeSerialPEM()
	openssl := exec.CommandContext(t.Context(), "openssl", "x509", "-noout", "-serial")
	openssl.Stdin = strings.NewReader(odd)
	if out, err := openssl.CombinedOutput(); err != nil || !strings.Contains(string(out), "=-01") {
		t.Fatalf("openssl: %v: %s", err, out)
	}
	b, err := certs.ReadCAs("ca.pem", []byte(ca.RootPEM+odd+ca.IntermediatePEM))
	if err != nil || len(b.Certs) != 2 || len(b.Skipped) != 1 || !strings.HasPrefix(b.Skipped[0], "certificate 2: x509: negative serial number") {
		t.Errorf("%d certificates, skipped %q: %v", len(b.Certs), b.Skipped, err)
	}
	if _, err := certs.Read("chain.pem", []byte(odd)); err == nil {
		t.Error("a chain with such a certificate is read")
	}
	torn := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("torn")})) // OpenSSL then reads none
	if _, err := certs.ReadCAs("ca.pem", []byte(ca.RootPEM+torn)); err == nil {
		t.Error("a file that OpenSSL does not read is read")
	}
}
