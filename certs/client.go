package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// NewClient makes a key and a self-signed certificate for client use alone,
// good for ten years. Whoever is to accept it is given the fingerprint of its
// public key (PinnedBy); no CA stands between.
func NewClient(name string, now time.Time) (Chain, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Chain{}, fmt.Errorf("creating a key: %w", err)
	}
	return selfSign(key, []string{name}, x509.ExtKeyUsageClientAuth, now)
}

// NewServer makes a self-signed certificate for server use, good for ten years,
// for a key, or for one that it makes. Senders with DANE go by the key alone
// (RFC 7672, section 3.1.1), and others that encrypt without proof take any;
// who checks by CAs, as with MTA-STS, refuses it.
func NewServer(key crypto.Signer, names []string, now time.Time) (Chain, error) {
	if key == nil {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return Chain{}, fmt.Errorf("creating a key: %w", err)
		}
		key = k
	}
	return selfSign(key, names, x509.ExtKeyUsageServerAuth, now)
}

func selfSign(key crypto.Signer, names []string, use x509.ExtKeyUsage, now time.Time) (Chain, error) {
	if len(names) == 0 {
		return Chain{}, errors.New("creating a certificate: no name was given")
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return Chain{}, fmt.Errorf("creating a serial number: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{use}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return Chain{}, fmt.Errorf("creating a certificate: %w", err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return Chain{}, fmt.Errorf("creating a certificate: %w", err)
	}
	return Chain{Key: key, Certs: []*x509.Certificate{c}}, nil
}

// PublicKeyFingerprint is the SHA-256 of the public key as Postfix compares it
// (smtpd_tls_fingerprint_digest = sha256 in postconf(5)).
func PublicKeyFingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	out := make([]string, len(sum))
	for i, b := range sum {
		out[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(out, ":")
}

// PinnedBy are the lines with which a partner's Postfix accepts mail for relay
// from whoever holds one of the keys: for his main.cf, and for a table.
func PinnedBy(table string, pinned ...*x509.Certificate) (main, lines []string) {
	main = []string{
		"smtpd_tls_ask_ccert = yes",
		"smtpd_tls_fingerprint_digest = sha256",
		"smtpd_relay_restrictions = check_ccert_access texthash:" + table + ", permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
	}
	for _, c := range pinned {
		lines = append(lines, PublicKeyFingerprint(c)+" OK")
	}
	return main, lines
}
