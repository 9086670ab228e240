package certs

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
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
		return r, fmt.Errorf("%.80q is no TLSA record", text)
	}
	if _, err := fmt.Sscan(strings.Join(w[:3], " "), &r.Usage, &r.Selector, &r.Matching); err != nil {
		return r, fmt.Errorf("%.80q is no TLSA record: %w", text, err)
	}
	data, err := hex.DecodeString(strings.Join(w[3:], ""))
	if err != nil {
		return r, fmt.Errorf("%.80q is no TLSA record: %w", text, err)
	}
	r.Data = data
	return r, nil
}

// String is the presentation form.
func (r TLSA) String() string {
	return fmt.Sprintf("%d %d %d %s", r.Usage, r.Selector, r.Matching, hex.EncodeToString(r.Data))
}

// Usable says whether a mail server looks at the record: usages 2 and 3 alone
// count for SMTP (RFC 7672, section 3.1.3).
func (r TLSA) Usable() bool {
	return (r.Usage == 2 || r.Usage == 3) && r.Selector <= 1 && r.Matching <= 2
}

// Matches says whether a chain, leaf first, is what the record names.
func (r TLSA) Matches(chain []*x509.Certificate) bool {
	if !r.Usable() || len(chain) == 0 {
		return false
	}
	candidates := chain[:1]
	if r.Usage == 2 {
		candidates = chain
	}
	for _, c := range candidates {
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
		if bytes.Equal(data, r.Data) {
			return true
		}
	}
	return false
}
