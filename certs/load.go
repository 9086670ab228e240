package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// entry is a key or a certificate where it stands in the file.
type entry struct {
	key  crypto.PublicKey
	cert *x509.Certificate
}

// Refusal says why Postfix would not load these files, in this order, as
// smtpd_tls_chain_files; empty if it would. Postfix then goes on without TLS:
// it offers STARTTLS and answers it with 454, and senders that may deliver in
// clear text. (tls_certkey.c in the Postfix source, and each shape tried on a
// real smtpd.)
func (b Bundle) Refusal() string {
	if b.refused != "" {
		return b.refused
	}
	var key crypto.PublicKey
	used := false
	kinds := map[string]bool{}
	for _, e := range b.entries {
		switch {
		case e.key != nil && key != nil && !used:
			return "two private keys without a certificate between them"
		case e.key != nil:
			key, used = e.key, false
		case key == nil:
			return "a certificate precedes the private key"
		case used:
			// One more of the chain: Postfix does not look at it.
		case !Same(key, e.cert.PublicKey):
			return "the first certificate after the private key does not belong to it"
		case kinds[algorithm(key)]:
			return fmt.Sprintf("a second %s key: Postfix loads one of each algorithm", algorithm(key))
		default:
			used, kinds[algorithm(key)] = true, true
		}
	}
	switch {
	case key == nil && len(b.Certs) == 0:
		return "no PEM data"
	case key == nil:
		return "no private key"
	case !used:
		return "no certificate after the private key"
	}
	return ""
}

// PairRefusal says why Postfix would not load a certificate file and a key file that
// two parameters name, such as smtpd_tls_cert_file and smtpd_tls_key_file; empty if it
// would. In both files it skips what it does not look for.
func PairRefusal(chain, key Bundle) string {
	switch {
	case len(chain.Certs) == 0:
		return "no certificate"
	case len(key.Keys) == 0:
		return "no private key"
	case !Same(key.Keys[0].Public, chain.Certs[0].PublicKey):
		return "the first certificate in the file does not belong to the private key"
	}
	return ""
}

// refuse notes a reason for which Postfix does not load a file that we can read.
func (b *Bundle) refuse(why string) {
	if b.refused == "" {
		b.refused = why
	}
}

// strict reports whether OpenSSL reads the key under the label that it bears. The
// older labels name the algorithm, and take PKCS#8 of that algorithm too.
func strict(p *pem.Block) bool {
	k, err := x509.ParsePKCS8PrivateKey(p.Bytes)
	_, isEC := k.(*ecdsa.PrivateKey)
	_, isRSA := k.(*rsa.PrivateKey)
	switch p.Type {
	case "EC PRIVATE KEY":
		if !isEC {
			_, err = x509.ParseECPrivateKey(p.Bytes)
		}
	case "RSA PRIVATE KEY":
		if !isRSA {
			_, err = x509.ParsePKCS1PrivateKey(p.Bytes)
		}
	}
	return err == nil
}
