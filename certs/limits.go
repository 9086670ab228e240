package certs

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"postseal/internal/hint"
)

// Limits of what is read. A file, or a server, may hold what takes hours to
// check: the time for a signature grows with the square of the key, and that for
// a chain with the square of its certificates. What mail servers use is far below.
const (
	// MaxRSA is the size in bits of the largest RSA key that is read: OpenSSL
	// checks no signature by a larger one (OPENSSL_RSA_MAX_MODULUS_BITS).
	MaxRSA = 16384
	// MaxChain is the number of certificates in a file with a chain, and in what a
	// server sends. OpenSSL follows a chain for a hundred; real ones have five.
	MaxChain = 32
	// MaxCAs is the number of certificates in a file of CA certificates.
	// Distributions ship about 150.
	MaxCAs = 2000
	// MaxKeys is the number of private keys in a file. Postfix loads one of each
	// of three algorithms.
	MaxKeys = 8
	// MaxSize is the size in bytes of a certificate: OpenSSL accepts no more from a
	// server, for its whole chain (SSL_MAX_CERT_LIST_DEFAULT).
	MaxSize = 100 << 10
	// MaxNames is the number of names in a certificate. Public CAs sign up to
	// 2000 of them.
	MaxNames = 5000
	// maxDistinguished is the size in bytes of a subject or an issuer, maxKey that
	// of a private key, which takes 9 KiB for RSA 16384.
	maxDistinguished = 8 << 10
	maxKey           = 16 << 10
)

// ErrTooLarge is why a certificate, a key or a file is not read.
var ErrTooLarge = errors.New("exceeds the limit")

func tooLarge(text, next string) error {
	return hint.Wrap(fmt.Errorf("%s: %w", text, ErrTooLarge), next)
}

// Parse reads a certificate, DER. It is the only way in for one from outside: it
// refuses those that would take a long time to check, with ErrTooLarge.
func Parse(der []byte) (*x509.Certificate, error) {
	const next = "use a certificate issued by a CA"
	if len(der) > MaxSize {
		return nil, tooLarge(fmt.Sprintf("the certificate has %d bytes; OpenSSL accepts at most %d", len(der), MaxSize), next)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > MaxRSA {
		return nil, hugeRSA(key.N.BitLen())
	}
	if n := max(len(c.RawSubject), len(c.RawIssuer)); n > maxDistinguished {
		return nil, tooLarge(fmt.Sprintf("a subject or issuer of %d bytes, at most %d are read", n, maxDistinguished), next)
	}
	if n := len(c.DNSNames) + len(c.EmailAddresses) + len(c.IPAddresses) + len(c.URIs); n > MaxNames {
		return nil, tooLarge(fmt.Sprintf("a certificate with %d names, at most %d are read", n, MaxNames), next)
	}
	return c, nil
}

func hugeRSA(bits int) error {
	return tooLarge(fmt.Sprintf("an RSA key of %d bits: OpenSSL uses at most %d, and one signature would take minutes to check", bits, MaxRSA),
		"create a key of 3072 or 4096 bits")
}

// ParseKey reads a private key in any of its three encodings: PKCS#8, SEC 1, or
// PKCS#1. It is the only way in for one from outside.
func ParseKey(der []byte) (crypto.Signer, error) {
	if err := keyFits(der); err != nil {
		return nil, err
	}
	if k, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if s, ok := k.(crypto.Signer); ok {
			return s, nil
		}
		return nil, fmt.Errorf("a %T cannot sign", k)
	}
	if k, err := x509.ParseECPrivateKey(der); err == nil {
		return k, nil
	}
	if k, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return k, nil
	}
	return nil, errors.New("the private key cannot be read: its kind is unknown or it is damaged")
}

// ParsePublicKey reads a public key, which a TLSA record can hold. Every public key from
// outside must be read by it.
func ParsePublicKey(der []byte) (any, error) {
	if len(der) > maxKey {
		return nil, tooLarge(fmt.Sprintf("a public key of %d bytes, at most %d are read", len(der), maxKey), "publish 3 1 1")
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, err
	}
	if k, ok := key.(*rsa.PublicKey); ok && k.N.BitLen() > MaxRSA {
		return nil, hugeRSA(k.N.BitLen())
	}
	return key, nil
}

// keyFits looks at the size of a private key before its numbers are checked,
// which takes the longer the larger they are.
func keyFits(der []byte) error {
	inner := der
	var wrapped struct { // RFC 5208
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}
	if _, err := asn1.Unmarshal(der, &wrapped); err == nil {
		inner = wrapped.Key
	}
	var key struct { // RFC 8017, A.1.2
		Version int
		Modulus *big.Int
	}
	if _, err := asn1.Unmarshal(inner, &key); err == nil && key.Modulus.BitLen() > MaxRSA {
		return hugeRSA(key.Modulus.BitLen())
	}
	if len(der) > maxKey {
		return tooLarge(fmt.Sprintf("a private key of %d bytes, at most %d are read", len(der), maxKey), "create a key of 3072 or 4096 bits")
	}
	return nil
}
