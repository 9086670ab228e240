package probe

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// anonymousSuites are the suites of TLS 1.2 without a certificate (RFC 5246,
// A.5; RFC 4492, section 6; RFC 5288; RFC 4132; RFC 6209).
var anonymousSuites = []uint16{0xC019, 0xC018, 0xC017, 0x00A7, 0x00A6, 0x006D, 0x006C, 0x003A, 0x0034, 0x0089, 0x0046, 0x001B}

// Anonymous says whether a server agrees on a suite without any certificate. It
// goes no further than the server's first answer.
func Anonymous(ctx context.Context, t Target, o Options) (taken bool, err error) {
	c, err := begin(ctx, t, o)
	if err != nil {
		return false, err
	}
	defer c.Close()
	if _, err := c.Write(clientHello(anonymousSuites)); err != nil {
		return false, &Error{t.Addr, Handshaking, err}
	}
	// RFC 5246, section 6.2.1: type, version, length; then 7.4: the message.
	head := make([]byte, 6)
	if _, err := io.ReadFull(c.text.R, head); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return false, nil // hung up without an alert
		}
		return false, &Error{t.Addr, Handshaking, err}
	}
	switch {
	case head[0] == 22 && head[5] == 2: // ServerHello
		return true, nil
	case head[0] == 21: // alert
		return false, nil
	}
	return false, &Error{t.Addr, Handshaking, fmt.Errorf("neither TLS nor a refusal: %q", head)}
}

// Abort asks for TLS, sends half a hello, and leaves without a word.
func Abort(ctx context.Context, t Target, o Options) error {
	c, err := begin(ctx, t, o)
	if err != nil {
		return err
	}
	defer c.Close()
	hello := clientHello(anonymousSuites)
	if _, err := c.Write(hello[:len(hello)/2]); err != nil {
		return &Error{t.Addr, Handshaking, err}
	}
	return nil
}

// begin connects and comes to where a hello is due.
func begin(ctx context.Context, t Target, o Options) (*conversation, error) {
	c, err := open(ctx, t, o)
	if err != nil || t.Implicit {
		return c, err
	}
	var r Result
	err = c.hello(&r)
	if err == nil && !r.Offers("STARTTLS") {
		err = &Error{t.Addr, STARTTLS, ErrNotOffered}
	}
	if err == nil {
		if _, e := c.command("STARTTLS", 220); e != nil {
			err = &Error{t.Addr, STARTTLS, e}
		}
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// clientHello is a ClientHello of TLS 1.2 in a record (RFC 5246, 7.4.1.2) that
// offers these suites and the common groups.
func clientHello(suites []uint16) []byte {
	vector := func(width int, body []byte) []byte {
		n := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
		return append(n[4-width:], body...)
	}
	words := func(list ...uint16) (out []byte) {
		for _, w := range list {
			out = binary.BigEndian.AppendUint16(out, w)
		}
		return out
	}
	extension := func(kind uint16, body []byte) []byte { return append(words(kind), vector(2, body)...) }
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	body := append(words(0x0303), random...)
	body = append(body, 0) // no session
	body = append(body, vector(2, words(suites...))...)
	body = append(body, 1, 0) // no compression
	body = append(body, vector(2, append(append(
		extension(10, vector(2, words(29, 23, 24, 25))), // groups
		extension(11, []byte{1, 0})...),                 // points
		extension(13, vector(2, words(0x0403, 0x0804, 0x0401, 0x0503, 0x0501, 0x0201)))...))...) // signatures
	message := append([]byte{1}, vector(3, body)...)
	return append([]byte{22, 3, 1}, vector(2, message)...)
}
