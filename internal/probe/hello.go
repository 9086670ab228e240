package probe

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
)

// The versions by the number that goes over the wire (RFC 8446, section 4.1.2).
const (
	ssl30 = 0x0300
	tls10 = 0x0301
	tls11 = 0x0302
	tls12 = 0x0303
	tls13 = 0x0304
)

// hello is a ClientHello made by hand: libraries no longer speak what has to be
// asked for. With TLS 1.3 and without a key share the server names suite and
// group in a HelloRetryRequest, and neither side computes anything.
type hello struct {
	version    uint16
	suites     []uint16
	groups     []uint16 // nil: all
	signatures []uint16 // nil: all
	// compress offers DEFLATE (RFC 3749).
	compress   bool
	serverName string
	// session is the number of a session, to be taken up again.
	session  []byte
	noTicket bool
	// share is a key share of the group.
	group uint16
	share []byte
	// verified is what our side said as finished on the same connection, when it
	// is negotiated anew (RFC 5746, section 3.5).
	verified []byte
}

// groups are those that have a number, by their name (IANA, "TLS Supported Groups"), those
// that are in use first.
var groups = []struct {
	id   uint16
	name string
}{
	{0x11EC, "X25519MLKEM768"}, {0x11EB, "SecP256r1MLKEM768"}, {0x11ED, "SecP384r1MLKEM1024"}, {0x0201, "MLKEM768"}, {0x0202, "MLKEM1024"}, {0x0200, "MLKEM512"},
	{29, "x25519"}, {23, "secp256r1"}, {30, "x448"}, {24, "secp384r1"}, {25, "secp521r1"},
	{31, "brainpoolP256r1tls13"}, {32, "brainpoolP384r1tls13"}, {33, "brainpoolP512r1tls13"}, {26, "brainpoolP256r1"}, {27, "brainpoolP384r1"}, {28, "brainpoolP512r1"},
	{256, "ffdhe2048"}, {257, "ffdhe3072"}, {258, "ffdhe4096"}, {259, "ffdhe6144"}, {260, "ffdhe8192"},
	{0x6399, "X25519Kyber768Draft00"}, {41, "curveSM2"}, {22, "secp256k1"}, {21, "secp224r1"}, {19, "secp192r1"}, {20, "secp224k1"}, {18, "secp192k1"},
	{17, "secp160r2"}, {16, "secp160r1"}, {15, "secp160k1"}, {14, "sect571r1"}, {13, "sect571k1"}, {12, "sect409r1"}, {11, "sect409k1"},
	{10, "sect283r1"}, {9, "sect283k1"}, {8, "sect239k1"}, {7, "sect233r1"}, {6, "sect233k1"}, {5, "sect193r2"}, {4, "sect193r1"},
	{3, "sect163r2"}, {2, "sect163r1"}, {1, "sect163k1"},
}

func groupName(id uint16) string {
	for _, g := range groups {
		if g.id == id {
			return g.name
		}
	}
	return fmt.Sprintf("group %#04x", id)
}

// groupIDs are the numbers of all.
var groupIDs = func() []uint16 {
	out := make([]uint16, len(groups))
	for i, g := range groups {
		out[i] = g.id
	}
	return out
}()

// signatures are offered with TLS 1.2 and 1.3 (IANA, "TLS SignatureScheme"), each
// with the kind of key that it takes. Those of TLS 1.2 alone are pairs of hash
// and key (RFC 5246, section 7.4.1.4.1), which have no other name.
var signatures = []struct {
	id   uint16
	name string
	key  string
}{
	{0x0403, "ecdsa_secp256r1_sha256", "ECDSA"}, {0x0503, "ecdsa_secp384r1_sha384", "ECDSA"}, {0x0603, "ecdsa_secp521r1_sha512", "ECDSA"},
	{0x081A, "ecdsa_brainpoolP256r1tls13_sha256", "ECDSA"}, {0x081B, "ecdsa_brainpoolP384r1tls13_sha384", "ECDSA"}, {0x081C, "ecdsa_brainpoolP512r1tls13_sha512", "ECDSA"},
	{0x0807, "ed25519", "EdDSA"}, {0x0808, "ed448", "EdDSA"},
	{0x0904, "mldsa44", "ML-DSA"}, {0x0905, "mldsa65", "ML-DSA"}, {0x0906, "mldsa87", "ML-DSA"},
	{0x0804, "rsa_pss_rsae_sha256", "RSA"}, {0x0805, "rsa_pss_rsae_sha384", "RSA"}, {0x0806, "rsa_pss_rsae_sha512", "RSA"},
	{0x0809, "rsa_pss_pss_sha256", "RSA-PSS"}, {0x080A, "rsa_pss_pss_sha384", "RSA-PSS"}, {0x080B, "rsa_pss_pss_sha512", "RSA-PSS"},
	{0x0401, "rsa_pkcs1_sha256", "RSA"}, {0x0501, "rsa_pkcs1_sha384", "RSA"}, {0x0601, "rsa_pkcs1_sha512", "RSA"},
	{0x0303, "sha224,ecdsa", "ECDSA"}, {0x0301, "sha224,rsa", "RSA"}, {0x0203, "ecdsa_sha1", "ECDSA"}, {0x0201, "rsa_pkcs1_sha1", "RSA"},
	{0x0602, "sha512,dsa", "DSA"}, {0x0502, "sha384,dsa", "DSA"}, {0x0402, "sha256,dsa", "DSA"}, {0x0302, "sha224,dsa", "DSA"}, {0x0202, "sha1,dsa", "DSA"},
	{0x0103, "md5,ecdsa", "ECDSA"}, {0x0101, "md5,rsa", "RSA"},
}

func signatureName(id uint16) string {
	for _, s := range signatures {
		if s.id == id {
			return s.name
		}
	}
	return fmt.Sprintf("signature %#04x", id)
}

// signatureIDs are the numbers of all.
var signatureIDs = func() []uint16 {
	out := make([]uint16, len(signatures))
	for i, s := range signatures {
		out[i] = s.id
	}
	return out
}()

// marshal writes the hello as one record.
func (h hello) marshal() []byte {
	w := writer{22}
	w.word(min(h.version, tls10))
	w.vector(2, func() { w = append(w, h.message()...) })
	return w
}

// message is the hello as a handshake message.
func (h hello) message() []byte {
	w := append(make(writer, 0, 1024), 1)
	w.vector(3, func() {
		w.word(min(h.version, tls12))
		random := make([]byte, 32)
		_, _ = rand.Read(random) // never fails
		w = append(w, random...)
		session := h.session
		if h.version == tls13 && session == nil {
			session = random // for middleboxes (RFC 8446, D.4)
		}
		w.vector(1, func() { w = append(w, session...) })
		w.vector(2, func() {
			w.word(h.suites...)
			if h.version < tls13 && h.verified == nil {
				w.word(0x00FF) // secure renegotiation (RFC 5746)
			}
		})
		w.vector(1, func() {
			if h.compress {
				w = append(w, 1)
			}
			w = append(w, 0)
		})
		if h.version > ssl30 {
			w.vector(2, func() { h.extensions(&w) })
		}
	})
	return w
}

func (h hello) extensions(w *writer) {
	add := func(kind uint16, fill func()) {
		w.word(kind)
		w.vector(2, fill)
	}
	if h.serverName != "" {
		add(0, func() {
			w.vector(2, func() {
				*w = append(*w, 0)
				w.vector(2, func() { *w = append(*w, h.serverName...) })
			})
		})
	}
	add(10, func() { w.vector(2, func() { w.word(either(h.groups, groupIDs)...) }) })
	add(11, func() { *w = append(*w, 1, 0) })
	if h.version >= tls12 {
		add(13, func() { w.vector(2, func() { w.word(either(h.signatures, signatureIDs)...) }) })
	}
	if h.signatures != nil {
		// The certificates may be signed by anything.
		add(50, func() { w.vector(2, func() { w.word(signatureIDs...) }) })
	}
	add(22, func() {}) // encrypt then MAC (RFC 7366)
	add(23, func() {}) // extended master secret (RFC 7627)
	if !h.noTicket {
		add(35, func() {}) // tickets (RFC 5077)
	}
	if h.verified != nil {
		add(0xFF01, func() { w.vector(1, func() { *w = append(*w, h.verified...) }) })
	}
	if h.version == tls13 {
		add(43, func() { w.vector(1, func() { w.word(tls13) }) })
		add(45, func() { *w = append(*w, 1, 1) })
		add(51, func() {
			w.vector(2, func() {
				if h.share != nil {
					w.word(h.group)
					w.vector(2, func() { *w = append(*w, h.share...) })
				}
			})
		})
	}
}

func either(given, all []uint16) []uint16 {
	if given != nil {
		return given
	}
	return all
}

// writer writes what goes over the wire.
type writer []byte

func (w *writer) word(list ...uint16) {
	for _, v := range list {
		*w = binary.BigEndian.AppendUint16(*w, v)
	}
}

// vector puts the length, in so many bytes, before what fill writes.
func (w *writer) vector(width int, fill func()) {
	at := len(*w)
	*w = append(*w, make([]byte, width)...)
	fill()
	n := len(*w) - at - width
	for i := range width {
		(*w)[at+i] = byte(n >> (8 * (width - 1 - i)))
	}
}
