package hello

import (
	"bytes"
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/rand"
)

// Replay writes the hello as a client would send it now: as one record or more, with
// random bytes and key shares of its own. A share of a group that this program cannot make
// is left out; the server asks for one then, if it wants that group.
func (h *Hello) Replay() []byte {
	message := bytes.Clone(h.Shape)
	if h.Old {
		_, _ = rand.Read(message[len(message)-32:]) // never fails
		return message
	}
	_, _ = rand.Read(message[6:38])
	if len(h.Shares) > 0 {
		message = withShares(message)
	}
	var out writer
	for len(message) > 0 {
		n := min(len(message), 1<<14)
		out = append(out, 22)
		out.word(min(h.Newest, TLS10))
		out.vector(2, func() { out = append(out, message[:n]...) })
		message = message[n:]
	}
	return out
}

// withShares puts keys into the key shares of a message, which Parse has read.
func withShares(message []byte) []byte {
	b := buffer{rest: message[38:]}
	b.vector(1)
	b.vector(2)
	b.vector(1)
	w := writer{1}
	w.vector(3, func() {
		w = append(w, message[4:len(message)-len(b.rest)]...)
		list := buffer{rest: b.vector(2)}
		w.vector(2, func() {
			for len(list.rest) > 0 {
				kind, value := list.word(), list.vector(2)
				if kind == extKeyShare {
					value = shares(value)
				}
				w.word(kind)
				w.vector(2, func() { w = append(w, value...) })
			}
		})
	})
	return w
}

func shares(value []byte) []byte {
	b := buffer{rest: value}
	var w writer
	w.vector(2, func() {
		for list := (buffer{rest: b.vector(2)}); len(list.rest) > 0; {
			group := list.word()
			list.vector(2)
			if key := share(group); key != nil {
				w.word(group)
				w.vector(2, func() { w = append(w, key...) })
			}
		}
	})
	return w
}

// curves are the groups for which a key can be made here.
var curves = map[uint16]ecdh.Curve{29: ecdh.X25519(), 23: ecdh.P256(), 24: ecdh.P384(), 25: ecdh.P521()}

// x25519MLKEM768 is the group of draft-ietf-tls-ecdhe-mlkem that mail servers use.
const x25519MLKEM768 = 0x11EC

// share makes the public key of a new pair, or nil.
func share(group uint16) []byte {
	if curve := curves[group]; curve != nil {
		if key, err := curve.GenerateKey(rand.Reader); err == nil {
			return key.PublicKey().Bytes()
		}
	}
	if group == x25519MLKEM768 {
		if key, err := mlkem.GenerateKey768(); err == nil {
			return append(key.EncapsulationKey().Bytes(), share(29)...)
		}
	}
	return nil
}
