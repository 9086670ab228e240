package probe

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
)

// anew says whether a server lets a client negotiate anew within a connection
// (RFC 5246, section 7.4.1.2), which costs it much and the client little. It is
// nil if there is no TLS 1.2 with a suite that can be continued by hand.
//
// crypto/tls does not do it. So it makes the first handshake and hands out the
// secret; the hello that follows is sealed here. What kind of record comes back
// can be seen without opening it: a handshake, or an alert.
func (e *enumerator) anew(ctx context.Context) (allowed *bool) {
	e.attempt(ctx, func() error {
		c, err := begin(ctx, e.target, e.options)
		if err != nil {
			return err
		}
		defer c.Close()
		heard := &recorder{Conn: prompt{c.Conn}}
		var secrets strings.Builder
		config := e.options.config(new(Result))
		config.MinVersion, config.MaxVersion, config.KeyLogWriter = tls.VersionTLS12, tls.VersionTLS12, &secrets
		config.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
		if err := e.finish(ctx, tls.Client(heard, config)); err != nil {
			return err
		}
		again, err := secondHello(heard, secrets.String(), config.CipherSuites)
		if err != nil {
			return &Error{e.target.Addr, Handshaking, err}
		}
		if _, err := c.Write(again); err != nil {
			return &Error{e.target.Addr, Handshaking, verdict(err)}
		}
		for range 100 { // what it had to say before
			kind, _, _, err := record(c.Conn, nil)
			if err != nil || kind != 23 {
				yes := err == nil && kind == 22
				allowed = &yes // hanging up, or silence, is a no too
				return nil
			}
		}
		return nil
	})
	return allowed
}

// secondHello seals a ClientHello as the second record that a client sends under
// encryption; the first was Finished.
func secondHello(heard *recorder, secrets string, suites []uint16) ([]byte, error) {
	words := strings.Fields(secrets)
	said, answered := plain(heard.out.Bytes()), plain(heard.in.Bytes())
	first := handshakeMessages(said)
	if len(words) != 3 || len(first) < 2 || len(first[0]) < 38 {
		return nil, errMangled
	}
	master, err := hex.DecodeString(words[2])
	if err != nil {
		return nil, err
	}
	transcript := slices.Clone(first[0])
	var server []byte
	for _, m := range handshakeMessages(answered) {
		if m[0] == 2 && len(m) >= 38 {
			server = m[6:38]
		}
		transcript = append(transcript, m...)
		if m[0] == 14 {
			break
		}
	}
	if server == nil {
		return nil, errMangled
	}
	transcript = append(transcript, slices.Concat(first[1:]...)...)
	sum := sha256.Sum256(transcript)
	verified := expand(master, slices.Concat([]byte("client finished"), sum[:]), 12)
	keys := expand(master, slices.Concat([]byte("key expansion"), server, first[0][6:38]), 40)
	block, err := aes.NewCipher(keys[:16])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	message := hello{version: tls12, suites: suites, verified: verified}.message()
	number := binary.BigEndian.AppendUint64(nil, 1)
	about := binary.BigEndian.AppendUint16(append(slices.Clone(number), 22, 3, 3), uint16(len(message)))
	w := writer{22, 3, 3}
	w.vector(2, func() {
		w = append(w, number...)
		w = aead.Seal(w, slices.Concat(keys[32:36], number), message, about)
	})
	return w, nil
}

// plain are the handshake records before encryption begins.
func plain(stream []byte) (out []byte) {
	in := bytes.NewReader(stream)
	for {
		kind, body, _, err := record(in, nil)
		if err != nil || kind != 22 {
			return out
		}
		out = append(out, body...)
	}
}

// handshakeMessages takes a stream apart, heads included.
func handshakeMessages(stream []byte) (out [][]byte) {
	for len(stream) >= 4 {
		n := 4 + (int(stream[1])<<16 | int(stream[2])<<8 | int(stream[3]))
		if n > len(stream) {
			break
		}
		out, stream = append(out, stream[:n]), stream[n:]
	}
	return out
}

// expand is the PRF of TLS 1.2 (RFC 5246, section 5), of a label with a seed
// behind it.
func expand(secret, seed []byte, n int) (out []byte) {
	sum := func(parts ...[]byte) []byte {
		h := hmac.New(sha256.New, secret)
		for _, p := range parts {
			h.Write(p)
		}
		return h.Sum(nil)
	}
	for a := sum(seed); len(out) < n; a = sum(a) {
		out = append(out, sum(a, seed)...)
	}
	return out[:n]
}
