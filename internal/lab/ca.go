package lab

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"
)

// CA is a root with one intermediate under it.
type CA struct {
	root, intermediate       *x509.Certificate
	rootKey, intermediateKey crypto.Signer
	RootPEM, IntermediatePEM string
	serial                   int64
}

// Leaf describes a certificate to issue. The zero value is a good one for
// mx.example.org.
type Leaf struct {
	Names      []string
	RSA        bool // RSA 2048 instead of ECDSA P-256
	RSABits    int  // RSA of that size
	SelfSigned bool
	NotBefore  time.Time          // default: an hour ago
	NotAfter   time.Time          // default: in 90 days
	Usages     []x509.ExtKeyUsage // default: server
	NoUsages   bool
	Extension  pkix.Extension // one more
}

// Issued is a certificate with its key, as PEM.
type Issued struct {
	Cert, Key string
	Leaf      *x509.Certificate
	Signer    crypto.Signer
}

// NewCA makes a root and an intermediate.
func NewCA(t testing.TB) *CA {
	t.Helper()
	ca := &CA{serial: 2}
	ca.rootKey, ca.intermediateKey = newKey(t, Leaf{}), newKey(t, Leaf{})
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "postseal test root"},
		NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	ca.root = sign(t, root, root, ca.rootKey.Public(), ca.rootKey)
	intermediate := *root
	intermediate.SerialNumber, intermediate.Subject = big.NewInt(2), pkix.Name{CommonName: "postseal test intermediate"}
	ca.intermediate = sign(t, &intermediate, ca.root, ca.intermediateKey.Public(), ca.rootKey)
	ca.RootPEM, ca.IntermediatePEM = certPEM(ca.root), certPEM(ca.intermediate)
	return ca
}

// NegativeSerialPEM is the root with a negative serial number, as some old CAs have
// it: Go refuses such a certificate, and OpenSSL reads it. Its signature is void.
func (ca *CA) NegativeSerialPEM() string {
	der := bytes.Clone(ca.root.Raw)
	serial := bytes.Index(der, []byte{0x02, 0x01, 0x01}) // INTEGER 1
	der[serial+2] = 0xff
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// IntermediateKeyPEM is the key that it signs with, for a CA program.
func (ca *CA) IntermediateKeyPEM(t testing.TB) string {
	t.Helper()
	return KeyPEM(t, ca.intermediateKey)
}

// Issue makes a key and a certificate for it.
func (ca *CA) Issue(t testing.TB, l Leaf) Issued {
	t.Helper()
	return ca.Certify(t, l, newKey(t, l))
}

// Certify makes a certificate for a key.
func (ca *CA) Certify(t testing.TB, l Leaf, key crypto.Signer) Issued {
	t.Helper()
	if len(l.Names) == 0 {
		l.Names = []string{"mx.example.org"}
	}
	if l.NotBefore.IsZero() {
		l.NotBefore = time.Now().AddDate(0, 0, -30)
	}
	if l.NotAfter.IsZero() {
		l.NotAfter = time.Now().AddDate(0, 0, 90)
	}
	if l.Usages == nil && !l.NoUsages {
		l.Usages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	ca.serial++
	c := &x509.Certificate{
		SerialNumber: big.NewInt(ca.serial), Subject: pkix.Name{CommonName: l.Names[0]}, DNSNames: l.Names,
		NotBefore: l.NotBefore, NotAfter: l.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: l.Usages, BasicConstraintsValid: true,
	}
	if l.Extension.Id != nil {
		c.ExtraExtensions = append(c.ExtraExtensions, l.Extension)
	}
	parent, signer := ca.intermediate, ca.intermediateKey
	if l.SelfSigned {
		parent, signer = c, key
	}
	leaf := sign(t, c, parent, key.Public(), signer)
	return Issued{Cert: certPEM(leaf), Key: KeyPEM(t, key), Leaf: leaf, Signer: key}
}

func newKey(t testing.TB, l Leaf) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch {
	case l.RSABits > 0:
		key, err = rsaKeys.next(t.Name(), l.RSABits)
	case l.RSA:
		key, err = rsaKeys.next(t.Name(), 2048)
	default:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// keyRing holds RSA keys, which take long to make. A test gets no key twice; another
// test gets the same keys.
type keyRing struct {
	mu    sync.Mutex
	keys  map[int][]*rsa.PrivateKey // by length
	given map[string]int            // how many a test has been given
}

var rsaKeys = keyRing{keys: map[int][]*rsa.PrivateKey{}, given: map[string]int{}}

func (r *keyRing) next(test string, bits int) (*rsa.PrivateKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for name := test; ; {
		if given, ok := r.given[name]; ok { // a subtest gets none that was given around it
			n = given
			break
		}
		i := strings.LastIndexByte(name, '/')
		if i < 0 {
			break
		}
		name = name[:i]
	}
	r.given[test] = n + 1
	for len(r.keys[bits]) <= n {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			return nil, err
		}
		r.keys[bits] = append(r.keys[bits], key)
	}
	return r.keys[bits][n], nil
}

func sign(t testing.TB, c, parent *x509.Certificate, pub crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, parent, pub, signer)
	if err != nil {
		t.Fatal(err)
	}
	out, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// KeyPEM is a private key as PKCS#8.
func KeyPEM(t testing.TB, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func certPEM(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}
