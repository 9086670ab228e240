package sink

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// Identities are the certificates of one host, by a CA that is thrown away with
// them. The keys are only ever in memory.
type Identities struct {
	host string
	// RootPEM is the certificate of the CA: who is to trust the good one needs it.
	RootPEM string

	root *x509.Certificate
	ca   *ecdsa.PrivateKey
	made map[Certificate]tls.Certificate
}

// NewIdentities makes a CA and all certificates for a host.
func NewIdentities(host string) (*Identities, error) {
	i := &Identities{host: host, made: map[Certificate]tls.Certificate{}}
	var err error
	if i.ca, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("making test certificates: %w", err)
	}
	now := time.Now()
	i.root = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "postseal rehearsal, not to be trusted"},
		NotBefore: now.AddDate(0, 0, -2), NotAfter: now.AddDate(0, 0, 2),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, i.root, i.root, i.ca.Public(), i.ca)
	if err != nil {
		return nil, fmt.Errorf("making test certificates: %w", err)
	}
	i.RootPEM = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	if i.root, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("making test certificates: %w", err)
	}
	for n, kind := range []Certificate{Good, SelfSigned, WrongName, Expired} {
		if i.made[kind], err = i.issue(kind, int64(n)+2); err != nil {
			return nil, fmt.Errorf("making test certificates: %w", err)
		}
	}
	return i, nil
}

func (i *Identities) issue(kind Certificate, serial int64) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	now := time.Now()
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: i.host}, DNSNames: []string{i.host},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(0, 0, 1),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	issuer, signer := i.root, i.ca
	switch kind {
	case SelfSigned:
		issuer, signer = leaf, key
	case WrongName:
		leaf.Subject.CommonName, leaf.DNSNames = "elsewhere.invalid", []string{"elsewhere.invalid"}
	case Expired:
		leaf.NotBefore, leaf.NotAfter = now.AddDate(0, 0, -2), now.AddDate(0, 0, -1)
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, issuer, key.Public(), signer)
	if err != nil {
		return tls.Certificate{}, err
	}
	parsed, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: parsed}, err
}

// Certificate is the one of a kind, with its key.
func (i *Identities) Certificate(kind Certificate) (tls.Certificate, error) {
	c, ok := i.made[kind]
	if !ok {
		return c, fmt.Errorf("no certificate of the kind %q", kind)
	}
	return c, nil
}

// TLSA is the record "3 1 1" of a certificate: usage DANE-EE, the public key,
// by SHA-256 (RFC 6698, section 2.1; RFC 7672, section 3.1.1).
func (i *Identities) TLSA(kind Certificate) (string, error) {
	c, err := i.Certificate(kind)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(c.Leaf.RawSubjectPublicKeyInfo)
	return "3 1 1 " + hex.EncodeToString(sum[:]), nil
}
