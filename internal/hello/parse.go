package hello

import (
	"encoding/binary"
	"slices"
)

// Parse reads one whole ClientHello: a handshake message without its records, or a hello
// in the format of SSL 2.0 with its header. It also reads a Shape.
func Parse(message []byte) (*Hello, error) {
	return parseMessage(message, false)
}

func parseMessage(message []byte, nameless bool) (*Hello, error) {
	switch {
	case len(message) > maxHello:
		return nil, ErrTooLarge
	case len(message) > 0 && message[0]&0x80 != 0:
		return parseOld(message)
	case len(message) < 4 || message[0] != 1:
		return nil, ErrNotTLS
	}
	b := buffer{rest: message[1:]}
	if n := b.triple(); n != len(b.rest) {
		return nil, ErrMangled
	}
	h := &Hello{}
	p := parser{Hello: h, nameless: nameless}
	if !p.body(&b) {
		return nil, ErrMangled
	}
	return h, nil
}

// parser reads a message and writes its shape at the same time.
type parser struct {
	*Hello
	nameless bool
	seen     []uint16
}

// body reads what follows the header of the message.
func (p *parser) body(b *buffer) bool {
	legacy := b.word()
	b.take(32) // random
	session := b.vector(1)
	suites := b.vector(2)
	methods := b.vector(1)
	if b.short || legacy>>8 != 3 || len(session) > 32 || len(suites) == 0 || len(suites)%2 != 0 || len(methods) == 0 {
		return false
	}
	p.Newest = legacy
	p.Suites = clean(suites)
	w := writer{1}
	ok := true
	w.vector(3, func() {
		w.word(legacy)
		w = append(w, make([]byte, 32)...)
		w = append(w, 0)
		w.vector(2, func() { w.word(p.Suites...) })
		w.vector(1, func() { w = append(w, methods...) })
		if len(b.rest) == 0 {
			return
		}
		list := buffer{rest: b.vector(2)}
		ok = !b.short && len(b.rest) == 0
		w.vector(2, func() {
			for ok && len(list.rest) > 0 {
				kind, value := list.word(), list.vector(2)
				ok = !list.short && !slices.Contains(p.seen, kind) && p.extension(&w, kind, value)
				p.seen = append(p.seen, kind)
			}
		})
	})
	if len(p.Versions) > 0 {
		p.Newest = slices.Max(p.Versions)
	}
	p.Shape = w
	return ok && len(p.Suites) > 0
}

// plain are the extensions whose content says nothing about one session: they are part of
// the shape as they stand. Those that are not known, or that belong to one session, such as
// pre_shared_key and cookie, are not.
var plain = []uint16{
	1, 5, 11, 17, 18, 19, 20, 22, 23, 27, 28, 34, 45, 49, // max_fragment_length to post_handshake_auth
}

// extension reads one extension and writes it into the shape. It reports whether the
// extension is well formed.
func (p *parser) extension(w *writer, kind uint16, value []byte) bool {
	b := buffer{rest: value}
	keep := value
	switch kind {
	case extServerName:
		if p.ServerName = serverName(value); p.nameless || p.ServerName == "" {
			return true // what is no name is not kept
		}
		b.rest = nil
	case extGroups:
		p.Groups = clean(b.vector(2))
		keep = listOf(2, p.Groups)
	case extSignatures:
		p.Signatures = clean(b.vector(2))
		keep = listOf(2, p.Signatures)
	case extSignedBy:
		keep = listOf(2, clean(b.vector(2)))
	case extVersions:
		p.Versions = clean(b.vector(1))
		keep = listOf(1, p.Versions)
	case extALPN:
		p.Protocols = protocols(&b)
	case extKeyShare:
		keep = p.shares(&b)
	case extTicket: // what it holds belongs to one session, as with the next
		b.rest, keep = nil, nil
	case extRenegotiation:
		b.rest, keep = nil, []byte{0}
	default:
		if !slices.Contains(plain, kind) {
			return true
		}
		b.rest = nil
	}
	if b.short || len(b.rest) > 0 {
		return false
	}
	w.word(kind)
	w.vector(2, func() { *w = append(*w, keep...) })
	return true
}

// shares reads the groups of the key shares. For the shape it returns them with empty keys.
func (p *parser) shares(b *buffer) []byte {
	var w writer
	w.vector(2, func() {
		for list := (buffer{rest: b.vector(2)}); len(list.rest) > 0; {
			group := list.word()
			list.vector(2)
			b.short = b.short || list.short
			if !grease(group) && len(p.Shares) < maxList {
				p.Shares = append(p.Shares, group)
				w.word(group, 0)
			}
		}
	})
	return w
}

// maxName and maxList bound what is kept of a name and of a list. Both are more than any
// client sends.
const (
	maxName = 255
	maxList = 512
)

// serverName reads the name that a client asks for; it is empty for one that is no name
// of DNS.
func serverName(value []byte) string {
	b := buffer{rest: value}
	list := buffer{rest: b.vector(2)}
	kind, name := list.byte(), list.vector(2)
	if b.short || list.short || kind != 0 || len(name) > maxName {
		return ""
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' {
			return ""
		}
	}
	return string(name)
}

// protocols reads the names of ALPN.
func protocols(b *buffer) (out []string) {
	list := buffer{rest: b.vector(2)}
	for len(list.rest) > 0 && len(out) < maxList {
		out = append(out, string(list.vector(1)))
	}
	b.short = b.short || list.short
	return out
}

// clean reads a list of numbers and takes out those that mean nothing.
func clean(list []byte) (out []uint16) {
	for ; len(list) >= 2 && len(out) < maxList; list = list[2:] {
		if v := binary.BigEndian.Uint16(list); !grease(v) {
			out = append(out, v)
		}
	}
	return out
}

func listOf(width int, ids []uint16) []byte {
	var w writer
	w.vector(width, func() { w.word(ids...) })
	return w
}
