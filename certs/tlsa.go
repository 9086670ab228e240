package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// TLSA is a record of RFC 6698.
type TLSA struct {
	Usage, Selector, Matching uint8
	Data                      []byte
}

// NewTLSA is the record that survives renewals with the same key: "3 1 1", the
// SHA-256 of the public key (RFC 7671, section 5.1).
func NewTLSA(leaf *x509.Certificate) TLSA {
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	return TLSA{3, 1, 1, sum[:]}
}

// ParseTLSA reads the presentation form, "3 1 1 0123abcd…"; the data may be
// broken by blanks.
func ParseTLSA(text string) (TLSA, error) {
	var r TLSA
	w := strings.Fields(text)
	if len(w) < 4 {
		return r, fmt.Errorf("%.80q is not a TLSA record", text)
	}
	if _, err := fmt.Sscan(strings.Join(w[:3], " "), &r.Usage, &r.Selector, &r.Matching); err != nil {
		return r, fmt.Errorf("%.80q is not a TLSA record: %w", text, err)
	}
	data, err := hex.DecodeString(strings.Join(w[3:], ""))
	if err != nil {
		return r, fmt.Errorf("%.80q is not a TLSA record: %w", text, err)
	}
	r.Data = data
	return r, nil
}

// String is the presentation form.
func (r TLSA) String() string {
	return fmt.Sprintf("%d %d %d %s", r.Usage, r.Selector, r.Matching, hex.EncodeToString(r.Data))
}

// Usable reports whether a sending server can authenticate with the record: only
// usages 2 and 3 count for SMTP (RFC 7672, section 3.1.3), and the data must be
// what the selector and the matching type promise (SSL_dane_tlsa_add(3)).
func (r TLSA) Usable() bool {
	if r.Usage != 2 && r.Usage != 3 || r.Selector > 1 {
		return false
	}
	switch r.Matching {
	case 0:
		if r.Selector == 0 {
			_, err := Parse(r.Data)
			return err == nil
		}
		_, err := ParsePublicKey(r.Data)
		return err == nil
	case 1:
		return len(r.Data) == sha256.Size
	case 2:
		return len(r.Data) == sha512.Size
	}
	return false
}

// is reports whether the record matches a certificate.
func (r TLSA) is(c *x509.Certificate) bool {
	data := c.Raw
	if r.Selector == 1 {
		data = c.RawSubjectPublicKeyInfo
	}
	switch r.Matching {
	case 1:
		sum := sha256.Sum256(data)
		data = sum[:]
	case 2:
		sum := sha512.Sum512(data)
		data = sum[:]
	}
	return bytes.Equal(data, r.Data)
}

// Matches reports whether the record by itself matches a chain, leaf first: usage 3
// the leaf, and usage 2 a certificate behind it. JudgeTLSA reports whether senders
// authenticate the server by a set of records.
func (r TLSA) Matches(chain []*x509.Certificate) bool {
	if !r.Usable() || len(chain) == 0 {
		return false
	}
	if r.Usage == 3 {
		return r.is(chain[0])
	}
	return slices.ContainsFunc(chain[1:], r.is)
}

// DANEOutcome is what a sending server at Postfix's level dane makes of a chain.
type DANEOutcome string

// The outcomes.
const (
	// Authenticated: a record authenticates the server.
	Authenticated DANEOutcome = "authenticated"
	// NotUsable: no record of the set can be used; mail arrives over TLS without
	// authentication (RFC 7672, section 2.2).
	NotUsable DANEOutcome = "no usable record"
	// NotNamed: no record is about the chain; mail does not arrive.
	NotNamed DANEOutcome = "no match"
	// WrongName: a record of usage 2 is about an issuer, but the certificate has
	// none of the names; mail does not arrive.
	WrongName DANEOutcome = "wrong name"
	// NotValid: a record of usage 2 is about an issuer, but the chain is expired, not
	// yet valid, or not for servers; mail does not arrive.
	NotValid DANEOutcome = "chain not valid"
)

// DANEVerdict is a judgement of a chain by a set of TLSA records.
type DANEVerdict struct {
	Outcome DANEOutcome
	// Why says what is wrong; empty if nothing is.
	Why string
}

// Delivers reports whether senders that use DANE deliver.
func (v DANEVerdict) Delivers() bool { return v.Outcome == Authenticated || v.Outcome == NotUsable }

// JudgeTLSA judges a chain, leaf first, by all the records of a name, as Postfix with
// OpenSSL does (RFC 7671, section 5). The certificate must have one of the names in
// hosts where a record of usage 2 decides: the TLSA base domain, and the domain that
// the mail is for. Without any, names are not checked.
func JudgeTLSA(set []TLSA, chain []*x509.Certificate, hosts []string, now time.Time) DANEVerdict {
	usable := strongest(set)
	switch {
	case len(usable) == 0:
		return DANEVerdict{Outcome: NotUsable, Why: "no record can be used for mail"}
	case len(chain) == 0:
		return DANEVerdict{Outcome: NotNamed, Why: "no certificate can be read"}
	}
	for _, r := range usable { // checks neither name nor validity (RFC 7671, section 5.1)
		if r.Usage == 3 && r.is(chain[0]) {
			return DANEVerdict{Outcome: Authenticated}
		}
	}
	failed := DANEVerdict{Outcome: NotNamed, Why: "no record matches this certificate or one of its issuers"}
	if new(signatures).selfSigned(chain[0]) {
		return failed // it is its own root: there is no issuer behind it
	}
	for _, r := range usable {
		if r.Usage != 2 {
			continue
		}
		switch err := anchored(r, usable, chain, now); {
		case errors.Is(err, errNotAnchored):
			continue
		case len(hosts) > 0 && !slices.ContainsFunc(hosts, Facts{Names: names(chain[0])}.Covers):
			failed = DANEVerdict{Outcome: WrongName, Why: "the certificate has none of the names " + strings.Join(hosts, ", ") + ", and records of usage 2 require one"}
		case err != nil:
			failed = DANEVerdict{Outcome: NotValid, Why: err.Error()}
		default:
			return DANEVerdict{Outcome: Authenticated}
		}
	}
	return failed
}

// strongest returns the usable records that count: among those of one usage and selector
// with digests, only the ones with the strongest digest (RFC 7671, section 9).
func strongest(set []TLSA) (out []TLSA) {
	for _, r := range set {
		stronger := func(s TLSA) bool {
			return s.Usage == r.Usage && s.Selector == r.Selector && s.Matching > r.Matching && s.Usable()
		}
		if r.Usable() && (r.Matching == 0 || !slices.ContainsFunc(set, stronger)) {
			out = append(out, r)
		}
	}
	return out
}

// errNotAnchored means that a chain does not end at the trust anchor of a record.
var errNotAnchored = errors.New("the chain does not lead to a certificate that matches the record")

// anchored checks that a chain leads to the trust anchor of a record of usage 2 and
// is valid. Certificates that other records hold help to build it.
func anchored(r TLSA, all []TLSA, chain []*x509.Certificate, now time.Time) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	found := false
	behind := slices.Clone(chain[1:])
	for _, s := range all {
		if s.Usage == 2 && s.Selector == 0 && s.Matching == 0 {
			if c, err := Parse(s.Data); err == nil {
				behind = append(behind, c)
			}
		}
	}
	for _, c := range behind {
		if r.is(c) && !bytes.Equal(c.Raw, chain[0].Raw) {
			roots.AddCert(anchor(c))
			found = true
		}
		between.AddCert(c)
	}
	if !found && r.Selector == 1 && r.Matching == 0 {
		found = bareKey(r, chain, roots)
	}
	if !found {
		return errNotAnchored
	}
	o := x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	_, err := chain[0].Verify(o)
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		return errNotAnchored
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("a certificate of the chain (%s) is valid from %s to %s", invalid.Cert.Subject.CommonName, invalid.Cert.NotBefore.Format(time.DateOnly), invalid.Cert.NotAfter.Format(time.DateOnly))
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return errors.New("the certificate is not for servers (extended key usage)")
	case err != nil:
		return fmt.Errorf("the chain is not valid: %w", err)
	}
	return nil
}

// anchor returns a certificate as OpenSSL uses it for a trust anchor: the validity of one
// that another has issued is not checked.
func anchor(c *x509.Certificate) *x509.Certificate {
	if bytes.Equal(c.RawSubject, c.RawIssuer) {
		return c
	}
	out := *c
	out.NotBefore, out.NotAfter = time.Time{}, c.NotAfter.AddDate(100, 0, 0)
	return &out
}

// bareKey adds a root with the public key that a record holds, under the name of
// each issuer in the chain: such a key may have signed any of them.
func bareKey(r TLSA, chain []*x509.Certificate, roots *x509.CertPool) bool {
	key, err := ParsePublicKey(r.Data)
	if err != nil {
		return false
	}
	for i, c := range chain {
		// A pool looks for a root by its name, and tells roots apart by their bytes.
		roots.AddCert(&x509.Certificate{
			Raw: append([]byte{byte(i)}, r.Data...), RawSubject: c.RawIssuer, Version: 3, IsCA: true, BasicConstraintsValid: true, MaxPathLen: -1,
			PublicKey: key, PublicKeyAlgorithm: keyAlgorithm(key), NotAfter: c.NotAfter.AddDate(100, 0, 0),
		})
	}
	return true
}

// keyAlgorithm returns the algorithm of a public key, as crypto/x509 names it.
func keyAlgorithm(key any) x509.PublicKeyAlgorithm {
	switch key.(type) {
	case *rsa.PublicKey:
		return x509.RSA
	case *ecdsa.PublicKey:
		return x509.ECDSA
	case ed25519.PublicKey:
		return x509.Ed25519
	}
	return x509.UnknownPublicKeyAlgorithm
}
