package hello

import "encoding/binary"

// buffer takes bytes off; what is missing is zero, and noted.
type buffer struct {
	rest  []byte
	short bool
}

func (b *buffer) take(n int) []byte {
	if n > len(b.rest) {
		b.short, b.rest = true, nil
		return nil
	}
	out := b.rest[:n:n]
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

// vector takes what has its length, of one or two bytes, before it.
func (b *buffer) vector(width int) []byte {
	if width == 1 {
		return b.take(int(b.byte()))
	}
	return b.take(int(b.word()))
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
