package probe

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"postseal/certs"
)

// Leaf is a certificate that was shown, with what came behind it.
type Leaf struct {
	Subject     string    `json:"subject"`
	Issuer      string    `json:"issuer"`
	Names       []string  `json:"names"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	Fingerprint string    `json:"sha256"`
	// Algorithm and Bits are of its key, Signature what it is signed with.
	Algorithm string `json:"key_algorithm"`
	Bits      int    `json:"key_bits"`
	Signature string `json:"signature_algorithm"`
	// Length is how many certificates were shown, with this one; Chain are those
	// behind it.
	Length int    `json:"chain_length"`
	Chain  []Link `json:"chain"`
	// Raw is the chain as it came, DER.
	Raw [][]byte `json:"-"`
}

// Link is a certificate of a chain. Subject and Issuer are empty if it cannot
// be read.
type Link struct {
	Subject     string    `json:"subject"`
	Issuer      string    `json:"issuer"`
	NotAfter    time.Time `json:"not_after"`
	Fingerprint string    `json:"sha256"`
}

// newLeaf reads a chain as it came.
func newLeaf(chain [][]byte) Leaf {
	end := newLink(chain[0])
	l := Leaf{Subject: end.Subject, Issuer: end.Issuer, NotAfter: end.NotAfter, Fingerprint: end.Fingerprint, Names: []string{}, Algorithm: "unknown", Length: len(chain), Chain: []Link{}, Raw: chain}
	if c, err := certs.Parse(chain[0]); err == nil {
		l.NotBefore, l.Algorithm, l.Signature = c.NotBefore, c.PublicKeyAlgorithm.String(), c.SignatureAlgorithm.String()
		l.Names = append(l.Names, c.DNSNames...)
		l.Bits = bits(c.PublicKey)
	}
	for _, der := range chain[1:] {
		l.Chain = append(l.Chain, newLink(der))
	}
	return l
}

func newLink(der []byte) Link {
	sum := sha256.Sum256(der)
	l := Link{Fingerprint: hex.EncodeToString(sum[:])}
	if c, err := certs.Parse(der); err == nil {
		l.Subject, l.Issuer, l.NotAfter = c.Subject.String(), c.Issuer.String(), c.NotAfter
	}
	return l
}

// bits is the size of a public key.
func bits(key any) int {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen()
	case *ecdsa.PublicKey:
		return k.Params().BitSize
	case ed25519.PublicKey:
		return 256
	}
	return 0
}
