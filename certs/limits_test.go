package certs_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"postseal/certs"
	"postseal/internal/hint"
	"postseal/internal/lab"
)

// made is a certificate for a public key, changed by change.
func made(t testing.TB, public crypto.PublicKey, change func(*x509.Certificate)) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if public == nil {
		public = key.Public()
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bomb"}, NotBefore: time.Now(), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, SubjectKeyId: []byte{1}, AuthorityKeyId: []byte{1},
	}
	if change != nil {
		change(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, public, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func inPEM(label string, der ...[]byte) string {
	var out strings.Builder
	for _, d := range der {
		out.Write(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: d}))
	}
	return out.String()
}

// modulus is an odd number of so many bits.
func modulus(bits uint) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	return n.SetBit(n, 0, 1)
}

// TestTooLarge: what would take minutes to check is refused, with what to do, and
// what is as large as it may be is read.
func TestTooLarge(t *testing.T) {
	private := func(bits uint) []byte {
		der, err := asn1.Marshal(struct {
			Version int
			N, E, D *big.Int
		}{0, modulus(bits), big.NewInt(3), big.NewInt(3)})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	names := func(n int) func(c *x509.Certificate) {
		return func(c *x509.Certificate) {
			for i := range n {
				c.DNSNames = append(c.DNSNames, fmt.Sprint("n", i))
			}
		}
	}
	same := make([][]byte, 40)
	for i := range same {
		same[i] = made(t, nil, nil)
	}
	var keys [][]byte
	for range certs.MaxKeys + 1 {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, der)
	}
	for name, c := range map[string]struct {
		text, says string
	}{
		"RSA as large as it may be": {inPEM("CERTIFICATE", made(t, &rsa.PublicKey{N: modulus(certs.MaxRSA), E: 65537}, nil)), ""},
		"RSA":                       {inPEM("CERTIFICATE", made(t, &rsa.PublicKey{N: modulus(certs.MaxRSA + 1), E: 65537}, nil)), "an RSA key of 16385 bits"},
		"RSA of 100 KiB":            {inPEM("CERTIFICATE", made(t, &rsa.PublicKey{N: modulus(900_000), E: 65537}, nil)), "OpenSSL accepts at most 102400"},
		"names as many as may be":   {inPEM("CERTIFICATE", made(t, nil, names(certs.MaxNames))), ""},
		"names":                     {inPEM("CERTIFICATE", made(t, nil, names(certs.MaxNames+1))), "a certificate with 5001 names"},
		"subject":                   {inPEM("CERTIFICATE", made(t, nil, func(c *x509.Certificate) { c.Subject.OrganizationalUnit = strings.Fields(strings.Repeat("x ", 4000)) })), "a subject or issuer"},
		"private key":               {inPEM("RSA PRIVATE KEY", private(900_000)), "an RSA key of 900000 bits"},
		"certificates":              {inPEM("CERTIFICATE", same[:certs.MaxChain+1]...), "33 certificates"},
		"blocks":                    {strings.Repeat("-----BEGIN X-----\n", 60_000), "60000 PEM blocks"},
		"keys":                      {inPEM("PRIVATE KEY", keys...), "9 private keys"},
	} {
		_, err := certs.Read("file.pem", []byte(c.text))
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.says != "" && (!errors.Is(err, certs.ErrTooLarge) || !strings.Contains(err.Error(), c.says) || hint.Of(err) == ""):
			t.Errorf("%s: %v", name, err)
		}
	}
	if b, err := certs.ReadCAs("ca.pem", []byte(inPEM("CERTIFICATE", same...))); err != nil || len(b.Certs) != len(same) {
		t.Errorf("a file of CAs: %v", err)
	}
	b, err := certs.Read("chain.pem", []byte(inPEM("CERTIFICATE", same[:certs.MaxChain]...)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Chains(nil); !errors.Is(err, certs.ErrTooLarge) || hint.Of(err) == "" {
		t.Errorf("CAs of one name and one key identifier: %v", err)
	}
}

// TestKeyIdentifiers: of two CAs of one name, the one whose key identifier a
// certificate contradicts did not issue it, and is not asked for a signature.
func TestKeyIdentifiers(t *testing.T) {
	ca := lab.NewCA(t)
	leaf := ca.Issue(t, lab.Leaf{})
	b, err := certs.Read("chain.pem", []byte(leaf.Key+leaf.Cert+ca.IntermediatePEM))
	if err != nil {
		t.Fatal(err)
	}
	var more []*x509.Certificate
	for range 150 { // more than signatures may be checked
		c, err := certs.Parse(made(t, nil, func(c *x509.Certificate) { c.Subject = b.Certs[0].Issuer }))
		if err != nil {
			t.Fatal(err)
		}
		more = append(more, c)
	}
	more, b.Certs = append(more, b.Certs[1]), b.Certs[:1]
	if chains, err := b.Chains(more); err != nil || len(chains) != 1 || len(chains[0].Certs) != 2 {
		t.Errorf("%v: %v", chains, err)
	}
}

// FuzzFile: whatever a file holds, and whatever it is called, it is read or refused, and so are its chains.
func FuzzFile(f *testing.F) {
	ca := lab.NewCA(f)
	leaf := ca.Issue(f, lab.Leaf{})
	f.Add("a.pem", []byte(leaf.Key+leaf.Cert+ca.IntermediatePEM))
	f.Add("a b\x1b;touch x", []byte(inPEM("TRUSTED CERTIFICATE", leaf.Leaf.Raw)))
	f.Add("", []byte("\xef\xbb\xbf-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE----------BEGIN "))
	f.Add("x", []byte("\xff\xfe-\x00"))
	f.Add("$(x)", []byte{0x30, 0x82})
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		b, err := certs.Read(name, data)
		if err != nil {
			if strings.ContainsAny(hint.Of(err), "\x1b\n") {
				t.Errorf("%q", hint.Of(err))
			}
			return
		}
		chains, err := b.Chains(b.Certs)
		if err != nil {
			return
		}
		for _, c := range chains {
			c.Inspect(certs.Want{Names: []string{name}, Roots: b.Certs, Now: time.Now()})
		}
		b.Refusal()
	})
}
