package certs

import (
	"bytes"
	"crypto/x509"
	"fmt"
)

// maxSignatures is how many signatures are checked to sort one bundle, or to judge
// one chain. A bundle of MaxChain certificates takes two of each; those that take
// more bear one name many times. The slowest, of RSA 16384, takes 20 ms.
const maxSignatures = 100

// signatures checks who issued a certificate, each pair once, and maxSignatures
// in all. The zero value is ready.
type signatures struct {
	known   map[pair]bool
	refused bool
}

type pair struct{ parent, child *x509.Certificate }

// issued reports whether parent signed child. A signature is checked only where
// the names match, and the key identifiers do not contradict them, as in
// X509_check_issued(3).
func (s *signatures) issued(parent, child *x509.Certificate) bool {
	return named(parent, child) && s.check(pair{parent, child}, func() error { return child.CheckSignatureFrom(parent) })
}

func (s *signatures) selfSigned(c *x509.Certificate) bool {
	// CheckSignatureFrom refuses a parent that is no CA, which most
	// self-signed server certificates are not.
	return named(c, c) && s.check(pair{nil, c}, func() error {
		return c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature)
	})
}

func (s *signatures) check(p pair, verify func() error) bool {
	valid, ok := s.known[p]
	if ok {
		return valid
	}
	if len(s.known) >= maxSignatures {
		s.refused = true
		return false
	}
	if s.known == nil {
		s.known = map[pair]bool{}
	}
	s.known[p] = verify() == nil
	return s.known[p]
}

// enough is an error if not all signatures could be checked.
func (s *signatures) enough() error {
	if !s.refused {
		return nil
	}
	return tooLarge(fmt.Sprintf("too many certificates with the same subject: ordering them needs more than %d signature checks", maxSignatures),
		"keep the server's certificate and those of its issuers in the file, and remove the others")
}

// named reports whether parent can have issued child, by names and key
// identifiers (RFC 5280, sections 4.2.1.1 and 4.2.1.2).
func named(parent, child *x509.Certificate) bool {
	return bytes.Equal(parent.RawSubject, child.RawIssuer) &&
		(len(child.AuthorityKeyId) == 0 || len(parent.SubjectKeyId) == 0 || bytes.Equal(child.AuthorityKeyId, parent.SubjectKeyId))
}
