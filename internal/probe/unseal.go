package probe

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"hash"
	"slices"
)

// sealed is what a server says under encryption with TLS 1.3: that is where its
// certificates are.
type sealed struct {
	chain           [][]byte
	signature       uint16
	asksCertificate bool
	authorities     int
}

// sealers are the suites whose records can be opened here: crypto/tls could open
// all, but asks for no signature algorithm by itself.
var sealers = []uint16{0x1301, 0x1302}

// exchanges are the groups of which a key share can be made, by our preference.
var exchanges = []uint16{29, 23, 24, 25, 0x11EC}

var ecdhCurves = map[uint16]ecdh.Curve{29: ecdh.X25519(), 23: ecdh.P256(), 24: ecdh.P384(), 25: ecdh.P521()}

// keyShare makes our half of a key exchange; finish makes the secret of it with
// the other half.
func keyShare(group uint16) (share []byte, finish func(theirs []byte) ([]byte, error), err error) {
	curve := ecdhCurves[group]
	if group == 0x11EC {
		curve = ecdh.X25519()
	}
	key, err := curve.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	finish = func(theirs []byte) ([]byte, error) {
		public, err := curve.NewPublicKey(theirs)
		if err != nil {
			return nil, errMangled
		}
		return key.ECDH(public)
	}
	if group != 0x11EC {
		return key.PublicKey().Bytes(), finish, nil
	}
	kem, err := mlkem.GenerateKey768()
	if err != nil {
		return nil, nil, err
	}
	classic := finish
	hybrid := func(theirs []byte) ([]byte, error) { // draft-ietf-tls-ecdhe-mlkem, section 4.3
		if len(theirs) != mlkem.CiphertextSize768+32 {
			return nil, errMangled
		}
		first, err := kem.Decapsulate(theirs[:mlkem.CiphertextSize768])
		if err != nil {
			return nil, errMangled
		}
		second, err := classic(theirs[mlkem.CiphertextSize768:])
		return slices.Concat(first, second), err
	}
	return slices.Concat(kem.EncapsulationKey().Bytes(), key.PublicKey().Bytes()), hybrid, nil
}

// unseal makes a handshake of TLS 1.3 up to the server's last word. The group is
// one of exchanges; if the server wants another of them, ask for that one.
func (e *enumerator) unseal(ctx context.Context, h hello) (s sealed, group uint16, err error) {
	share, finish, err := keyShare(h.group)
	if err != nil {
		return s, 0, err
	}
	h.version, h.suites, h.groups, h.share = tls13, sealers, exchanges, share
	c, err := begin(ctx, e.target, e.options)
	if err != nil {
		return s, 0, err
	}
	defer c.Close()
	fail := func(err error) (sealed, uint16, error) { return s, 0, &Error{e.target.Addr, Handshaking, err} }
	said := h.marshal()
	if _, err := c.Write(said); err != nil {
		return fail(verdict(err))
	}
	transcript := slices.Clone(said[5:])
	kind, body, buf, err := record(c.in, nil)
	for ; err == nil && kind == 21 && warned(body); kind, body, buf, err = record(c.in, buf) {
	}
	switch {
	case err != nil:
		return fail(err)
	case kind == 21 && len(body) == 2:
		return fail(alert(body[1]))
	case kind != 22:
		return fail(errMangled)
	}
	var r reply
	transcript = append(transcript, body...)
	whole := messages{each: r.message}
	if done, err := whole.add(body); err != nil || !done || r.version != tls13 || !slices.Contains(sealers, r.suite) {
		return fail(errMangled)
	}
	if r.share == nil {
		return s, r.group, nil
	}
	if r.group != h.group {
		return fail(errMangled)
	}
	secret, err := finish(r.share)
	if err != nil {
		return fail(err)
	}
	key, err := serverKey(r.suite, secret, transcript)
	if err != nil {
		return fail(err)
	}
	err = s.read(c, key, buf, e.target.Addr)
	return s, r.group, err
}

// read takes the records that follow the ServerHello, up to Finished.
func (s *sealed) read(c *conversation, key *opener, buf []byte, addr string) error {
	inside := messages{each: s.message}
	for total := 0; total < maxFlight; {
		kind, body, grown, err := record(c.in, buf)
		if err != nil {
			return &Error{addr, Handshaking, err}
		}
		buf = grown
		total += 5 + len(body)
		if kind == 20 { // for middleboxes (RFC 8446, D.4)
			continue
		}
		if kind == 21 && len(body) == 2 {
			return &Error{addr, Handshaking, alert(body[1])}
		}
		kind, body, err = key.open(kind, body)
		if err == nil && kind == 21 && len(body) == 2 {
			err = alert(body[1])
		}
		if err == nil && kind != 22 {
			err = errMangled
		}
		if err != nil {
			return &Error{addr, Handshaking, err}
		}
		if done, err := inside.add(body); err != nil || done {
			return err
		}
	}
	return &Error{addr, Handshaking, errTooMuch}
}

// message reads one handshake message (RFC 8446, section 4).
func (s *sealed) message(kind byte, body []byte) (done bool, err error) {
	b := buffer{rest: body}
	switch kind {
	case 11: // Certificate
		b.take(int(b.byte()))
		list := buffer{rest: b.take(b.triple())}
		for len(list.rest) > 0 && len(s.chain) < maxChain {
			s.chain = append(s.chain, slices.Clone(list.take(list.triple())))
			list.vector()
		}
		b.short = b.short || list.short || len(s.chain) == 0
	case 13: // CertificateRequest
		s.asksCertificate = true
		b.take(int(b.byte()))
		for list := (buffer{rest: b.vector()}); len(list.rest) > 0 && !list.short; {
			kind, value := list.word(), buffer{rest: list.vector()}
			if kind == 47 { // certificate_authorities
				s.authorities = value.list()
			}
		}
	case 15: // CertificateVerify
		s.signature = b.word()
	case 20: // Finished
		return true, nil
	}
	if b.short {
		return false, errMangled
	}
	return false, nil
}

// opener opens the records of one direction.
type opener struct {
	aead   cipher.AEAD
	iv     []byte
	number uint64
}

// open opens a record (RFC 8446, section 5.2). What kind it is stands behind the
// text, before zeros.
func (o *opener) open(kind byte, body []byte) (byte, []byte, error) {
	if kind != 23 {
		return 0, nil, errMangled
	}
	nonce := slices.Clone(o.iv)
	for i, b := range binary.BigEndian.AppendUint64(nil, o.number) {
		nonce[len(nonce)-8+i] ^= b
	}
	o.number++
	text, err := o.aead.Open(body[:0], nonce, body, binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(body))))
	if err != nil {
		return 0, nil, errMangled
	}
	for len(text) > 0 && text[len(text)-1] == 0 {
		text = text[:len(text)-1]
	}
	if len(text) == 0 {
		return 0, nil, errMangled
	}
	return text[len(text)-1], text[:len(text)-1], nil
}

// serverKey derives what a server's handshake is sealed with (RFC 8446, section
// 7.1), from the shared secret and both hellos.
func serverKey(suite uint16, secret, hellos []byte) (*opener, error) {
	digest, size := sha256.New, 16
	if suite == 0x1302 {
		digest, size = sha512.New384, 32
	}
	k := schedule{digest: digest, size: digest().Size()}
	early := k.extract(make([]byte, k.size), nil)
	handshake := k.extract(secret, k.expand(early, "derived", k.sum(nil), k.size))
	traffic := k.expand(handshake, "s hs traffic", k.sum(hellos), k.size)
	key, iv := k.expand(traffic, "key", nil, size), k.expand(traffic, "iv", nil, 12)
	if k.err != nil {
		return nil, k.err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &opener{aead: aead, iv: iv}, err
}

// schedule derives keys, and remembers the first error.
type schedule struct {
	digest func() hash.Hash
	size   int
	err    error
}

func (k *schedule) sum(text []byte) []byte {
	h := k.digest()
	h.Write(text)
	return h.Sum(nil)
}

func (k *schedule) extract(secret, salt []byte) []byte {
	out, err := hkdf.Extract(k.digest, secret, salt)
	if k.err == nil {
		k.err = err
	}
	return out
}

// expand is HKDF-Expand-Label.
func (k *schedule) expand(secret []byte, label string, about []byte, size int) []byte {
	var w writer
	w.word(uint16(size))
	w.vector(1, func() { w = append(w, "tls13 "+label...) })
	w.vector(1, func() { w = append(w, about...) })
	out, err := hkdf.Expand(k.digest, secret, string(w), size)
	if k.err == nil {
		k.err = err
	}
	return out
}
