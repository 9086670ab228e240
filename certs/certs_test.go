package certs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postseal/certs"
	"postseal/internal/hint"
	"postseal/internal/lab"
)

func read(t *testing.T, texts ...string) certs.Bundle {
	t.Helper()
	var all certs.Bundle
	for _, text := range texts {
		b, err := certs.Read("file.pem", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		all.Add(b)
	}
	return all
}

// TestShapes: whatever the order and the oddities of the input, out comes one
// file with the key first, which Go's own TLS loads; or a clear error.
func TestShapes(t *testing.T) {
	ca := lab.NewCA(t)
	ec, rsa := ca.Issue(t, lab.Leaf{}), ca.Issue(t, lab.Leaf{RSA: true})
	other := ca.Issue(t, lab.Leaf{})
	good := ec.Key + ec.Cert + ca.IntermediatePEM
	sec1 := func() string {
		der, err := x509.MarshalECPrivateKey(ec.Signer.(*ecdsa.PrivateKey))
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
	}()
	for _, c := range []struct {
		name, text string
		chains     int
		length     int
		mended     string
		err        error
		errText    string
	}{
		{name: "as Postfix wants it", text: good, chains: 1, length: 2},
		{name: "certificate first, key last", text: ec.Cert + ca.IntermediatePEM + ec.Key, chains: 1, length: 2},
		{name: "intermediate before the leaf", text: ec.Key + ca.IntermediatePEM + ec.Cert, chains: 1, length: 2},
		{name: "with the root", text: good + ca.RootPEM, chains: 1, length: 3},
		{name: "root before the intermediate", text: ec.Key + ec.Cert + ca.RootPEM + ca.IntermediatePEM, chains: 1, length: 3},
		{name: "leaf twice", text: ec.Key + ec.Cert + ec.Cert + ca.IntermediatePEM, chains: 1, length: 2},
		{name: "a stranger among them", text: good + other.Cert, chains: 1, length: 2},
		{name: "leaf alone", text: ec.Key + ec.Cert, chains: 1, length: 1},
		{name: "RSA and ECDSA", text: good + rsa.Key + rsa.Cert, chains: 2, length: 2},
		{name: "no key", text: ec.Cert + ca.IntermediatePEM, chains: 1, length: 2},
		{name: "SEC1 key with parameters before it", text: "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + sec1 + ec.Cert, chains: 1, length: 1},
		{name: "SEC1 under the wrong label", text: strings.ReplaceAll(sec1, "EC PRIVATE", "PRIVATE") + ec.Cert, chains: 1, length: 1},
		{name: "CRLF and text between", text: strings.ReplaceAll("subject=x\n"+good, "\n", "\r\n"), chains: 1, length: 2},
		{name: "no final newline", text: strings.TrimSpace(good), chains: 1, length: 2},
		{name: "X509 CERTIFICATE", text: strings.ReplaceAll(good, " CERTIFICATE", " X509 CERTIFICATE"), chains: 1, length: 2},
		{name: "TRUSTED CERTIFICATE", text: strings.ReplaceAll(good, " CERTIFICATE", " TRUSTED CERTIFICATE"), chains: 1, length: 2, mended: "TRUSTED CERTIFICATE"},
		{name: "byte order mark", text: "\ufeff" + good, chains: 1, length: 2, mended: "byte order mark"},
		{name: "glued blocks", text: strings.ReplaceAll(good, "-----\n-----", "----------"), chains: 1, length: 2, mended: "line break"},
		{name: "indented", text: "  " + strings.ReplaceAll(good, "\n", "\n  "), chains: 1, length: 2, mended: "indented"},
		{name: "key of another", text: other.Key + ec.Cert, err: certs.ErrMismatch},
		{name: "two ECDSA pairs", text: good + other.Key + other.Cert, errText: "two ECDSA keys"},
		{name: "key alone", text: ec.Key, err: certs.ErrNoCert},
		{name: "empty", text: "", err: certs.ErrNoPEM},
		{name: "garbage", text: "\x00\x01garbage", err: certs.ErrNoPEM},
		{name: "DER", text: "0\x82\x01\x00", err: certs.ErrNoPEM},
		{name: "UTF-16", text: "\xff\xfe-\x00-\x00", errText: "UTF-16"},
		{name: "damaged block", text: strings.Replace(good, "MII", "!!!", 1), errText: "damaged"},
		{name: "cut off", text: good[:len(good)-40], errText: "damaged"},
		{name: "encrypted PKCS#8", text: strings.ReplaceAll(good, " PRIVATE", " ENCRYPTED PRIVATE"), err: certs.ErrEncrypted},
		{name: "encrypted the old way", text: strings.Replace(sec1, "-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n", 1), err: certs.ErrEncrypted},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := certs.Read("file.pem", []byte(c.text))
			var chains []certs.Chain
			if err == nil {
				chains, err = b.Chains(nil)
			}
			if c.err != nil || c.errText != "" {
				if err == nil || c.err != nil && !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.errText) {
					t.Fatalf("error %v, want %v %s", err, c.err, c.errText)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(chains) != c.chains || len(chains[0].Certs) != c.length {
				t.Fatalf("%d chains, the first of %d", len(chains), len(chains[0].Certs))
			}
			if got := strings.Join(b.Mended, "; "); !strings.Contains(got, c.mended) || (c.mended == "") != (got == "") {
				t.Errorf("mended %q, want %q", got, c.mended)
			}
			if chains[0].Key == nil {
				if _, err := chains[0].PEM(); !errors.Is(err, certs.ErrNoKey) {
					t.Errorf("a file without a key: %v", err)
				}
				return
			}
			for _, chain := range chains {
				out, err := chain.PEM()
				if err != nil {
					t.Fatal(err)
				}
				if !strings.HasPrefix(string(out), "-----BEGIN PRIVATE KEY-----") {
					t.Error("the key is not first")
				}
				if _, err := tls.X509KeyPair(out, out); err != nil {
					t.Error(err)
				}
				again, err := certs.Read("file.pem", out)
				if err != nil || len(again.Certs) != len(chain.Certs) {
					t.Errorf("reading it again: %v", err)
				}
			}
		})
	}
}

func TestEncryptedHasHint(t *testing.T) {
	_, err := certs.Read("k.pem", []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"))
	if !strings.Contains(hint.Of(err), "openssl pkey -in k.pem") {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
}

func TestCompletedFromElsewhere(t *testing.T) {
	ca := lab.NewCA(t)
	leaf := ca.Issue(t, lab.Leaf{})
	more := read(t, ca.RootPEM, ca.IntermediatePEM)
	chains, err := read(t, leaf.Key, leaf.Cert).Chains(more.Certs)
	if err != nil {
		t.Fatal(err)
	}
	// The intermediate is added, the root is not: who trusts it has it.
	if len(chains[0].Certs) != 2 || chains[0].Added != 1 || chains[0].Reordered {
		t.Errorf("%d certificates, %d added, reordered %v", len(chains[0].Certs), chains[0].Added, chains[0].Reordered)
	}
	if !chains[0].Facts(more.Certs).Complete {
		t.Error("complete up to a known root, and not said so")
	}
	if chains[0].Facts(nil).Complete {
		t.Error("no root known, and said to be complete")
	}
}

func TestFacts(t *testing.T) {
	ca := lab.NewCA(t)
	end := time.Now().AddDate(0, 0, 30).UTC().Truncate(time.Second)
	type verdict struct {
		Algorithm                  string
		Bits                       int
		Server, Client, SelfSigned bool
	}
	for _, c := range []struct {
		name string
		leaf lab.Leaf
		want verdict
	}{
		{"server only", lab.Leaf{}, verdict{"ECDSA", 256, true, false, false}},
		{"both", lab.Leaf{RSA: true, Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}, verdict{"RSA", 2048, true, true, false}},
		{"client only", lab.Leaf{Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, verdict{"ECDSA", 256, false, true, false}},
		{"none named", lab.Leaf{NoUsages: true, SelfSigned: true}, verdict{"ECDSA", 256, true, true, true}},
		{"any, which OpenSSL does not take", lab.Leaf{Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}, verdict{"ECDSA", 256, false, false, false}},
	} {
		c.leaf.NotAfter = end
		i := ca.Issue(t, c.leaf)
		chains, err := read(t, i.Key, i.Cert, ca.IntermediatePEM).Chains(nil)
		if err != nil {
			t.Fatal(err)
		}
		f := chains[0].Facts(nil)
		got := verdict{f.Algorithm, f.Bits, f.ServerUse, f.ClientUse, f.SelfSigned}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, d)
		}
		if !f.NotAfter.Equal(end) || len(f.Fingerprint) != 64 || len(f.PublicKey) != 64 {
			t.Errorf("%s: %+v", c.name, f)
		}
	}
}

func TestCovers(t *testing.T) {
	f := certs.Facts{Names: []string{"MX.example.org", "*.mail.example.org", "*.test"}}
	for name, want := range map[string]bool{
		"mx.example.org": true, "mx.example.org.": true, "a.mail.example.org": true,
		"mail.example.org": false, "a.b.mail.example.org": false, "a.test": false, "example.org": false, "": false,
	} {
		if f.Covers(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

func FuzzRead(f *testing.F) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(lab.KeyPEM(f, k)))
	f.Add([]byte("\xef\xbb\xbf-----BEGIN X-----\n-----END X----------BEGIN"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := certs.Read("f", data)
		if err != nil {
			return
		}
		chains, err := b.Chains(b.Certs)
		for _, c := range chains {
			if err == nil {
				c.Facts(b.Certs)
				_, _ = c.PEM()
			}
		}
	})
}
