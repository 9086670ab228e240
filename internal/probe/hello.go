package probe

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
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
// asked for. With TLS 1.3 it has no key share, so the server names suite and
// group in a HelloRetryRequest, and neither side computes anything.
type hello struct {
	version uint16
	suites  []uint16
	groups  []uint16 // nil: all
	// compress offers DEFLATE (RFC 3749).
	compress   bool
	serverName string
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

func groupIDs() []uint16 {
	out := make([]uint16, len(groups))
	for i, g := range groups {
		out[i] = g.id
	}
	return out
}

// signatures are offered with TLS 1.2 and 1.3 (IANA, "TLS SignatureScheme").
var signatures = []struct {
	id   uint16
	name string
}{
	{0x0403, "ECDSA P-256 SHA256"}, {0x0503, "ECDSA P-384 SHA384"}, {0x0603, "ECDSA P-521 SHA512"}, {0x0807, "Ed25519"}, {0x0808, "Ed448"},
	{0x0804, "RSA-PSS SHA256"}, {0x0805, "RSA-PSS SHA384"}, {0x0806, "RSA-PSS SHA512"}, {0x0809, "RSA-PSS-PSS SHA256"}, {0x080A, "RSA-PSS-PSS SHA384"}, {0x080B, "RSA-PSS-PSS SHA512"},
	{0x0401, "RSA SHA256"}, {0x0501, "RSA SHA384"}, {0x0601, "RSA SHA512"}, {0x0303, "ECDSA SHA224"}, {0x0301, "RSA SHA224"}, {0x0203, "ECDSA SHA1"}, {0x0201, "RSA SHA1"},
	{0x0402, "DSA SHA256"}, {0x0202, "DSA SHA1"}, {0x0101, "RSA MD5"},
}

func signatureName(id uint16) string {
	for _, s := range signatures {
		if s.id == id {
			return s.name
		}
	}
	return fmt.Sprintf("signature %#04x", id)
}

// marshal writes the hello as one record.
func (h hello) marshal() []byte {
	body := words(min(h.version, tls12))
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	body = append(body, random...)
	if h.version == tls13 {
		body = append(body, vector(1, random)...) // a session, for middleboxes (RFC 8446, D.4)
	} else {
		body = append(body, 0)
	}
	suites := words(h.suites...)
	if h.version < tls13 {
		suites = append(suites, 0x00, 0xFF) // secure renegotiation (RFC 5746)
	}
	body = append(body, vector(2, suites)...)
	if h.compress {
		body = append(body, 2, 1, 0)
	} else {
		body = append(body, 1, 0)
	}
	if h.version > ssl30 {
		body = append(body, vector(2, h.extensions())...)
	}
	message := append([]byte{1}, vector(3, body)...)
	return append(append([]byte{22}, words(min(h.version, tls10))...), vector(2, message)...)
}

func (h hello) extensions() (out []byte) {
	add := func(kind uint16, body []byte) { out = append(append(out, words(kind)...), vector(2, body)...) }
	if h.serverName != "" {
		add(0, vector(2, append([]byte{0}, vector(2, []byte(h.serverName))...)))
	}
	ids := h.groups
	if ids == nil {
		ids = groupIDs()
	}
	add(10, vector(2, words(ids...)))
	add(11, []byte{1, 0})
	if h.version >= tls12 {
		var schemes []uint16
		for _, s := range signatures {
			schemes = append(schemes, s.id)
		}
		add(13, vector(2, words(schemes...)))
	}
	add(22, nil) // encrypt then MAC (RFC 7366)
	add(23, nil) // extended master secret (RFC 7627)
	add(35, nil) // tickets (RFC 5077)
	if h.version == tls13 {
		add(43, vector(1, words(tls13)))
		add(45, []byte{1, 1})
		add(51, vector(2, nil)) // no key share
	}
	return out
}

// vector puts the length before a body, in so many bytes.
func vector(width int, body []byte) []byte {
	n := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	return append(n[4-width:], body...)
}

func words(list ...uint16) (out []byte) {
	for _, w := range list {
		out = binary.BigEndian.AppendUint16(out, w)
	}
	return out
}

// reply is what a server says to a hello.
type reply struct {
	accepted                                bool
	alert                                   byte
	version, suite, group, signature        uint16
	compressed, extended, macLater, tickets bool
	dhBits                                  int
	asksCertificate                         bool
	authorities                             int // CAs that it names when it asks
	leaf                                    []byte
}

// maxFlight is how many bytes a server may send before it is done.
const maxFlight = 1 << 18

var errNotTLS = errors.New("what came is not TLS")

// read takes a server's first flight: up to ServerHelloDone with TLS 1.2 and
// older, the ServerHello with TLS 1.3, or an alert.
func (r *reply) read(in io.Reader) error {
	var pending []byte
	for total := 0; total < maxFlight; {
		head := make([]byte, 5)
		if _, err := io.ReadFull(in, head); err != nil {
			return err
		}
		n := int(binary.BigEndian.Uint16(head[3:]))
		if head[1] != 3 || n > 1<<14+2048 {
			return errNotTLS
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(in, body); err != nil {
			return err
		}
		total += 5 + n
		switch {
		case head[0] == 21 && n >= 2:
			r.alert = body[1]
			return nil
		case head[0] != 22:
			return errNotTLS
		}
		pending = append(pending, body...)
		for len(pending) >= 4 {
			length := int(pending[1])<<16 | int(pending[2])<<8 | int(pending[3])
			if length > maxFlight {
				return errNotTLS
			}
			if len(pending) < 4+length {
				break
			}
			done, err := r.message(pending[0], pending[4:4+length])
			if err != nil || done {
				return err
			}
			pending = pending[4+length:]
		}
	}
	return errNotTLS
}

// message reads one handshake message.
func (r *reply) message(kind byte, body []byte) (done bool, err error) {
	b := buffer{rest: body}
	switch kind {
	case 2: // ServerHello
		r.version = b.word()
		b.take(32)
		b.take(int(b.byte()))
		r.suite, r.compressed = b.word(), b.byte() != 0
		for list := (buffer{rest: b.vector()}); len(list.rest) > 0 && !list.short; {
			kind, value := list.word(), buffer{rest: list.vector()}
			switch kind {
			case 22:
				r.macLater = true
			case 23:
				r.extended = true
			case 35:
				r.tickets = true
			case 43:
				r.version = value.word()
			case 51:
				r.group = value.word()
			}
		}
		if len(body) < 38 || b.short && len(b.rest) > 0 {
			return false, errNotTLS
		}
		r.accepted = true
		return r.version >= tls13, nil
	case 11: // Certificate
		b.take(3)
		r.leaf = b.take(int(b.byte())<<16 | int(b.word()))
	case 12: // ServerKeyExchange
		r.keyExchange(&b)
	case 13: // CertificateRequest
		r.asksCertificate = true
		b.take(int(b.byte()))
		if r.version >= tls12 {
			b.vector()
		}
		for list := (buffer{rest: b.vector()}); len(list.rest) > 0 && !list.short; r.authorities++ {
			list.vector()
		}
	case 14: // ServerHelloDone
		return true, nil
	}
	return false, nil
}

// keyExchange reads the group (RFC 8422, section 5.4) or the prime (RFC 5246,
// section 7.4.3), and what it is signed with.
func (r *reply) keyExchange(b *buffer) {
	if suite := suiteByID[r.suite]; suite.elliptic() {
		if b.byte() != 3 { // named curve
			return
		}
		r.group = b.word()
		b.take(int(b.byte()))
	} else {
		r.dhBits = 8 * len(b.vector())
		b.vector()
		b.vector()
	}
	if r.version >= tls12 && len(b.rest) >= 2 {
		r.signature = b.word()
	}
}

// buffer takes bytes off; what is missing is zero, and noted.
type buffer struct {
	rest  []byte
	short bool
}

func (b *buffer) take(n int) []byte {
	if n < 0 || n > len(b.rest) {
		b.short, b.rest = true, nil
		return nil
	}
	out := b.rest[:n]
	b.rest = b.rest[n:]
	return out
}

func (b *buffer) byte() byte {
	if v := b.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (b *buffer) word() uint16 {
	if v := b.take(2); v != nil {
		return binary.BigEndian.Uint16(v)
	}
	return 0
}

func (b *buffer) vector() []byte { return b.take(int(b.word())) }
