package hello

import "encoding/binary"

// maxHello bounds a hello, with the headers of its records.
const maxHello = 64 << 10

// Reader puts a ClientHello together from the bytes of a connection, in whatever pieces
// and records they come. The zero value is ready to use.
type Reader struct {
	header  [5]byte
	have    int // of the header
	left    int // of the record
	total   int
	old     bool
	message []byte
}

// Begins reports whether a connection in which TLS is due begins with it: with a record of
// a handshake, or with a hello in the format of SSL 2.0.
func Begins(first byte) bool { return first == 22 || first&0x80 != 0 }

// Add takes the next bytes. It returns the hello as soon as it is whole; what comes after
// it is left alone.
func (r *Reader) Add(b []byte) (*Hello, error) {
	for len(b) > 0 {
		if r.total++; r.total > maxHello {
			return nil, ErrTooLarge
		}
		if r.left == 0 {
			r.header[r.have] = b[0]
			r.have++
			b = b[1:]
			if err := r.begin(); err != nil {
				return nil, err
			}
			continue
		}
		n := min(r.left, len(b), maxHello-r.total+1)
		r.message = append(r.message, b[:n]...)
		r.left, r.total, b = r.left-n, r.total+n-1, b[n:]
		if r.whole() {
			return Parse(r.message)
		}
		if r.left == 0 {
			r.have = 0
		}
	}
	return nil, nil
}

// Held returns how many bytes are kept.
func (r *Reader) Held() int { return cap(r.message) }

// begin looks at the header of a record, as far as it has come.
func (r *Reader) begin() error {
	h := r.header[:r.have]
	switch {
	case r.message == nil && h[0]&0x80 != 0: // SSL 2.0, whose header has two bytes
		if r.have < 2 {
			return nil
		}
		r.old, r.left = true, int(binary.BigEndian.Uint16(h)&0x7FFF)
		r.message = append(r.message, h...)
		if r.left < 9 {
			return ErrNotTLS
		}
	case h[0] != 22, r.have > 1 && h[1] != 3:
		return ErrNotTLS
	case r.have == 5:
		r.left = int(binary.BigEndian.Uint16(h[3:]))
		if r.left == 0 || r.left > 1<<14 {
			return ErrNotTLS
		}
		if r.message == nil {
			r.message = make([]byte, 0, min(r.left, 1<<10))
		}
	}
	return nil
}

// whole reports whether all of the message is there. What follows it in the last record is
// cut off.
func (r *Reader) whole() bool {
	if r.old {
		return r.left == 0
	}
	if len(r.message) < 4 {
		return false
	}
	n := 4 + (int(r.message[1])<<16 | int(r.message[2])<<8 | int(r.message[3]))
	if len(r.message) < n {
		return false
	}
	r.message = r.message[:n]
	return true
}
