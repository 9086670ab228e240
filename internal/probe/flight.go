package probe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

// reply is what a server says to a hello, up to TLS 1.2 all of its first flight.
type reply struct {
	accepted                                        bool
	version, suite, group, signature                uint16
	compressed, extended, macLater, tickets, secure bool
	session                                         []byte
	share                                           []byte // of TLS 1.3, unless it is a HelloRetryRequest
	dhBits                                          int
	asksCertificate                                 bool
	authorities                                     int // CAs that it names when it asks
	chain                                           [][]byte
}

// maxFlight is how many bytes a server may send before it is done; maxChain how
// many certificates of it are kept.
const (
	maxFlight = 1 << 18
	maxChain  = 10
)

// alert is what a server refuses with (IANA, "TLS Alerts").
type alert byte

var alerts = map[alert]string{
	0: "close notify", 10: "unexpected message", 20: "bad record MAC", 22: "record overflow", 40: "handshake failure", 41: "no certificate", 42: "bad certificate",
	43: "unsupported certificate", 46: "certificate unknown", 47: "illegal parameter", 48: "unknown CA", 49: "access denied", 50: "decode error", 51: "decrypt error",
	60: "export restriction", 70: "protocol version", 71: "insufficient security", 80: "internal error", 86: "inappropriate fallback", 90: "user canceled",
	100: "no renegotiation", 109: "missing extension", 110: "unsupported extension", unrecognized: "unrecognized name", 116: "certificate required", 120: "no application protocol",
}

// unrecognized is sent as a warning by servers that go on with another name.
const unrecognized = 112

// Error implements error.
func (a alert) Error() string {
	if name := alerts[a]; name != "" {
		return "alert: " + name
	}
	return fmt.Sprintf("alert %d", byte(a))
}

// record reads one record of TLS into buf, which is used again.
func record(in io.Reader, buf []byte) (kind byte, body, grown []byte, err error) {
	buf = append(buf[:0], 0, 0, 0, 0, 0)
	if _, err := io.ReadFull(in, buf[:5]); err != nil {
		return 0, nil, buf, verdict(err)
	}
	n := int(binary.BigEndian.Uint16(buf[3:]))
	kind = buf[0]
	if buf[1] != 3 || kind < 20 || kind > 24 || n > 1<<14+2048 {
		return 0, nil, buf, errNotTLS
	}
	if cap(buf) < n {
		buf = make([]byte, 0, max(n, 4096))
	}
	body = buf[:n]
	if _, err := io.ReadFull(in, body); err != nil {
		return 0, nil, buf, verdict(err)
	}
	return kind, body, buf, nil
}

// buffers are for records, and used again.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// warned reports whether an alert may be passed over.
func warned(body []byte) bool { return len(body) >= 2 && body[0] == 1 && body[1] == unrecognized }

// read takes a server's first flight: up to ServerHelloDone with TLS 1.2 and
// older, the ServerHello with TLS 1.3. An alert is an error.
func (r *reply) read(in io.Reader) error {
	kept := buffers.Get().(*[]byte)
	defer buffers.Put(kept)
	buf := *kept
	messages := messages{each: r.message}
	for total := 0; total < maxFlight; {
		kind, body, grown, err := record(in, buf)
		if err != nil {
			return err
		}
		buf, *kept = grown, grown
		total += 5 + len(body)
		switch {
		case kind == 21 && warned(body):
			continue
		case kind == 21 && len(body) >= 2:
			return alert(body[1])
		case kind != 22:
			return errMangled
		}
		if done, err := messages.add(body); err != nil || done {
			return err
		}
	}
	return fmt.Errorf("its answer to the ClientHello exceeds %d KiB", maxFlight>>10)
}

// messages puts handshake messages together from records.
type messages struct {
	pending []byte
	each    func(kind byte, body []byte) (done bool, err error)
}

func (m *messages) add(body []byte) (done bool, err error) {
	rest := body
	if len(m.pending) > 0 {
		m.pending = append(m.pending, body...)
		rest = m.pending
	}
	for len(rest) >= 4 {
		length := int(rest[1])<<16 | int(rest[2])<<8 | int(rest[3])
		if length > maxFlight {
			return false, errMangled
		}
		if len(rest) < 4+length {
			break
		}
		if done, err := m.each(rest[0], rest[4:4+length]); err != nil || done {
			return done, err
		}
		rest = rest[4+length:]
	}
	m.pending = append([]byte{}, rest...)
	return false, nil
}

// message reads one handshake message. What it keeps is a copy.
func (r *reply) message(kind byte, body []byte) (done bool, err error) {
	b := buffer{rest: body}
	switch kind {
	case 2: // ServerHello
		if !r.hello(&b) {
			return false, errMangled
		}
		return r.version >= tls13, nil
	case 11: // Certificate
		b.take(3)
		for len(b.rest) > 0 && len(r.chain) < maxChain {
			r.chain = append(r.chain, append([]byte{}, b.take(b.triple())...))
		}
	case 12: // ServerKeyExchange
		r.keyExchange(&b)
	case 13: // CertificateRequest
		r.asksCertificate = true
		b.take(int(b.byte()))
		if r.version >= tls12 {
			b.vector()
		}
		r.authorities = b.list()
	case 14: // ServerHelloDone
		if !r.accepted {
			return false, errMangled
		}
		return true, nil
	}
	if b.short {
		return false, errMangled
	}
	return false, nil
}

// retry is how the random of a HelloRetryRequest begins (RFC 8446, section
// 4.1.3).
var retry = []byte("\xCF\x21\xAD\x74\xE5\x9A\x61\x11")

// hello reads a ServerHello.
func (r *reply) hello(b *buffer) bool {
	r.version = b.word()
	again := bytes.HasPrefix(b.take(32), retry)
	r.session = append([]byte{}, b.take(int(b.byte()))...)
	r.suite, r.compressed = b.word(), b.byte() != 0
	if b.short {
		return false
	}
	list := buffer{}
	if len(b.rest) > 0 {
		list.rest = b.vector()
	}
	for len(list.rest) > 0 {
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
			if r.group = value.word(); !again {
				r.share = append([]byte{}, value.vector()...)
			}
		case 0xFF01:
			r.secure = true
		}
		if value.short {
			return false
		}
	}
	r.accepted = !b.short && !list.short
	return r.accepted
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
		r.dhBits = bitLength(b.vector())
		b.vector()
		b.vector()
	}
	if r.version >= tls12 && len(b.rest) >= 2 {
		r.signature = b.word()
	}
}

// bitLength is that of a prime, whatever zeros stand before it.
func bitLength(prime []byte) int {
	for len(prime) > 0 && prime[0] == 0 {
		prime = prime[1:]
	}
	return 8 * len(prime)
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

func (b *buffer) triple() int { return int(b.byte())<<16 | int(b.word()) }

func (b *buffer) vector() []byte { return b.take(int(b.word())) }

// list counts what is in a list of vectors.
func (b *buffer) list() (n int) {
	for l := (buffer{rest: b.vector()}); len(l.rest) > 0 && !l.short; n++ {
		l.vector()
	}
	return n
}
