package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/hint"
)

// Chain is a leaf certificate with what stands above it, and its key.
type Chain struct {
	// Key is nil if no private key was given.
	Key crypto.Signer
	// Certs are leaf first, each issued by the next.
	Certs []*x509.Certificate
	// Reordered says that a file had them in another order, or had others
	// between them.
	Reordered bool
	// Added is how many of them, the last ones, are not in the file itself.
	Added int
}

// Chains sorts a bundle: one chain for each key, or, without any key, one for
// each certificate that issued no other. more are certificates that may
// complete a chain; those that are not needed are left out.
//
// It fails with ErrMismatch if a key fits no certificate, and if two keys are
// of one algorithm, since Postfix loads only one of each (postconf(5),
// smtpd_tls_chain_files).
func (b Bundle) Chains(more []*x509.Certificate) ([]Chain, error) {
	return b.chains(func(*x509.Certificate) []*x509.Certificate { return more })
}

// Sent are the chains as OpenSSL sends them: its CA certificates complete a leaf that
// stands alone, and no other (SSL_CTX_add_extra_chain_cert(3)).
func (b Bundle) Sent(cas []*x509.Certificate) ([]Chain, error) {
	return b.chains(func(leaf *x509.Certificate) []*x509.Certificate {
		if b.alone(leaf) {
			return cas
		}
		return nil
	})
}

// alone reports whether no other certificate follows the leaf before the next key.
func (b Bundle) alone(leaf *x509.Certificate) bool {
	i := slices.IndexFunc(b.entries, func(e entry) bool { return e.cert != nil && e.cert.Equal(leaf) })
	return i < 0 || i+1 == len(b.entries) || b.entries[i+1].cert == nil
}

func (b Bundle) chains(more func(leaf *x509.Certificate) []*x509.Certificate) ([]Chain, error) {
	if len(b.Certs) == 0 {
		return nil, hint.Wrap(ErrNoCert, "the first certificate must be the server's own, then those of its issuers")
	}
	var out []Chain
	var s signatures
	if len(b.Keys) == 0 {
		for _, c := range b.leaves(&s) {
			out = append(out, b.chain(&s, nil, c, more(c)))
		}
		return out, s.enough()
	}
	kinds := map[string]string{}
	for _, k := range b.Keys {
		leaf := b.leafFor(k.Public)
		if leaf == nil {
			return nil, fmt.Errorf("%w: the key of %s matches none of the %d certificates (%s)", ErrMismatch, k.Source, len(b.Certs), Describe(b.Certs[0]))
		}
		kind := algorithm(k.Public)
		if other, ok := kinds[kind]; ok && other != fingerprint(leaf) {
			return nil, fmt.Errorf("two %s keys: Postfix can serve only one certificate for each algorithm", kind)
		} else if ok {
			continue
		}
		kinds[kind] = fingerprint(leaf)
		out = append(out, b.chain(&s, k.Private, leaf, more(leaf)))
	}
	return out, s.enough()
}

// leafFor is the certificate of a key; of several the one that lasts longest.
func (b Bundle) leafFor(key crypto.PublicKey) *x509.Certificate {
	var best *x509.Certificate
	for _, c := range b.Certs {
		if Same(key, c.PublicKey) && (best == nil || c.NotAfter.After(best.NotAfter)) {
			best = c
		}
	}
	return best
}

// leaves are the certificates that issued no other of the bundle.
func (b Bundle) leaves(s *signatures) (out []*x509.Certificate) {
	for _, c := range b.Certs {
		issuer := slices.ContainsFunc(b.Certs, func(d *x509.Certificate) bool { return d != c && s.issued(c, d) })
		double := slices.ContainsFunc(out, c.Equal)
		if !issuer && !double {
			out = append(out, c)
		}
	}
	return out
}

func (b Bundle) chain(s *signatures, key crypto.Signer, leaf *x509.Certificate, more []*x509.Certificate) Chain {
	c := Chain{Key: key, Certs: []*x509.Certificate{leaf}}
	for top := leaf; !s.selfSigned(top) && len(c.Certs) < 10; top = c.Certs[len(c.Certs)-1] {
		i := slices.IndexFunc(b.Certs, func(d *x509.Certificate) bool { return s.issued(d, top) })
		if i >= 0 {
			c.Certs = append(c.Certs, b.Certs[i])
			continue
		}
		// A root from outside need not be sent: who trusts it has it.
		i = slices.IndexFunc(more, func(d *x509.Certificate) bool { return s.issued(d, top) && !s.selfSigned(d) })
		if i < 0 {
			break
		}
		c.Certs, c.Added = append(c.Certs, more[i]), c.Added+1
	}
	own, file := c.Certs[:len(c.Certs)-c.Added], b.Certs
	if len(b.Keys) > 1 { // each has its chain
		file = file[max(0, slices.IndexFunc(file, leaf.Equal)):]
	}
	c.Reordered = len(file) < len(own) || !slices.EqualFunc(file[:len(own)], own, (*x509.Certificate).Equal)
	return c
}

// Same reports whether two public keys are equal.
func Same(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// MarshalJSON is the certificates alone: a key never reaches JSON.
func (c Chain) MarshalJSON() ([]byte, error) { return json.Marshal(c.CertificatesPEM()) }

// Leaf is the server's or client's own certificate.
func (c Chain) Leaf() *x509.Certificate { return c.Certs[0] }

// PEM is the one file that Postfix wants (smtpd_tls_chain_files): PKCS#8 key,
// leaf, intermediates. It holds the private key in clear.
func (c Chain) PEM() ([]byte, error) {
	if c.Key == nil {
		return nil, ErrNoKey
	}
	if !Same(c.Key.Public(), c.Leaf().PublicKey) {
		return nil, ErrMismatch
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.Key)
	if err != nil {
		return nil, fmt.Errorf("writing the key: %w", err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), c.CertificatesPEM()...), nil
}

// CertificatesPEM are the certificates alone, leaf first. They are public.
func (c Chain) CertificatesPEM() string {
	var out strings.Builder
	for _, cert := range c.Certs {
		out.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	}
	return out.String()
}

// Facts are what a decision needs to know of a chain. It holds no secret.
type Facts struct {
	// Names are the DNS names, or the common name if there are none.
	Names     []string  `json:"names"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	// Algorithm is "RSA", "ECDSA" or "Ed25519"; Bits the size of the key.
	Algorithm string `json:"algorithm"`
	Bits      int    `json:"bits"`
	Issuer    string `json:"issuer"`
	// SelfSigned is true if nobody but itself vouches for it.
	SelfSigned bool `json:"self_signed"`
	// ServerUse and ClientUse tell whether OpenSSL, and so Postfix, accepts
	// the whole chain in that role (extended key usage, RFC 5280 4.2.1.12).
	ServerUse bool `json:"server_use"`
	ClientUse bool `json:"client_use"`
	// Complete is false if an issuer between leaf and root is missing.
	Complete bool `json:"complete"`
	// Length is the number of certificates.
	Length int `json:"length"`
	// Fingerprint is the SHA-256 of the leaf, PublicKey that of its public
	// key (RFC 7671, 3 1 1).
	Fingerprint string `json:"fingerprint"`
	PublicKey   string `json:"public_key"`
}

// Facts looks at the chain. roots are issuers that need not be sent.
func (c Chain) Facts(roots []*x509.Certificate) Facts {
	leaf, top := c.Leaf(), c.Certs[len(c.Certs)-1]
	var s signatures
	f := Facts{
		Names: names(leaf), NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter,
		Algorithm: algorithm(leaf.PublicKey), Bits: bits(leaf.PublicKey), Issuer: distinguished(leaf.Issuer.String()),
		SelfSigned: s.selfSigned(leaf), Length: len(c.Certs),
		ServerUse: c.allows(x509.ExtKeyUsageServerAuth), ClientUse: c.allows(x509.ExtKeyUsageClientAuth),
		Complete:    s.selfSigned(top) || slices.ContainsFunc(roots, func(r *x509.Certificate) bool { return s.issued(r, top) }),
		Fingerprint: fingerprint(leaf),
	}
	spki := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	f.PublicKey = hex.EncodeToString(spki[:])
	return f
}

// allows reports whether every certificate below the root permits the usage: it
// names it, or names none. OpenSSL does not take anyExtendedKeyUsage for it.
func (c Chain) allows(usage x509.ExtKeyUsage) bool {
	for _, cert := range c.Certs {
		named := len(cert.ExtKeyUsage) + len(cert.UnknownExtKeyUsage)
		if named > 0 && !slices.Contains(cert.ExtKeyUsage, usage) {
			return false
		}
	}
	return true
}

// Covers reports whether a client that asks for name accepts the certificate.
// Wildcards stand for one label (RFC 9525).
func (f Facts) Covers(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for _, n := range f.Names {
		n = strings.ToLower(strings.TrimSuffix(n, "."))
		if n == name {
			return true
		}
		if rest, ok := strings.CutPrefix(n, "*."); ok {
			// OpenSSL takes none for a whole top-level domain.
			if _, parent, dot := strings.Cut(name, "."); dot && parent == rest && strings.Contains(rest, ".") {
				return true
			}
		}
	}
	return false
}

// names are the DNS names of a certificate. Postfix still falls back to the
// common name; so does this.
func names(c *x509.Certificate) []string {
	if len(c.DNSNames) > 0 {
		return c.DNSNames
	}
	if c.Subject.CommonName != "" {
		return []string{c.Subject.CommonName}
	}
	return nil
}

// Describe is one line about a certificate for messages.
func Describe(c *x509.Certificate) string {
	return fmt.Sprintf("%s, until %s", strings.Join(names(c), ", "), c.NotAfter.UTC().Format(time.DateOnly))
}

// subject is the name of a certificate: the names that it is for where it has no
// distinguished one, as with certificates from an ACME CA.
func subject(c *x509.Certificate) string {
	if s := c.Subject.String(); s != "" || len(c.DNSNames) == 0 {
		return distinguished(s)
	}
	return strings.Join(c.DNSNames[:min(2, len(c.DNSNames))], ", ")
}

func distinguished(s string) string {
	if s == "" {
		return "(no name)"
	}
	return s
}

func algorithm(pub crypto.PublicKey) string {
	switch pub.(type) {
	case *rsa.PublicKey:
		return "RSA"
	case *ecdsa.PublicKey:
		return "ECDSA"
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return "unknown"
}

func bits(pub crypto.PublicKey) int {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen()
	case *ecdsa.PublicKey:
		return k.Curve.Params().BitSize
	case ed25519.PublicKey:
		return 256
	}
	return 0
}

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}
