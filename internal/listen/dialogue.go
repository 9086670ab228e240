package listen

import (
	"bytes"

	"postseal/internal/hello"
)

// verdict is what a connection turned out to be.
type verdict int

const (
	unsettled verdict = iota
	offered           // it began TLS, and the hello was read
	cleartext         // it went on without TLS
	unread            // it was neither, or not all of it was seen
)

// Bounds of what a client says before TLS: RFC 5321, section 4.5.3.1.4, allows 512 bytes
// for a line.
const (
	maxLine     = 1024
	maxDialogue = 8 << 10
)

// dialogue follows what a client says up to its hello. Of a line it keeps the first
// word, and nothing else.
type dialogue struct {
	word   [8]byte
	length int // of the line
	total  int
	// TLS is due after STARTTLS, and may begin before anything was spoken. Once it has
	// begun, all is for the reader; implicit says that it was the first.
	due, spoken, begun, implicit bool
	tls                          hello.Reader
}

// add takes the next bytes.
func (d *dialogue) add(b []byte) (verdict, *hello.Hello) {
	for len(b) > 0 {
		if d.begun {
			h, err := d.tls.Add(b)
			switch {
			case err != nil:
				return unread, nil
			case h != nil:
				return offered, h
			}
			return unsettled, nil
		}
		if (d.due || !d.spoken) && d.length == 0 && hello.Begins(b[0]) {
			d.begun, d.implicit = true, !d.spoken
			continue
		}
		c := b[0]
		b = b[1:]
		d.due, d.spoken = false, true
		if d.total++; d.total > maxDialogue || d.length >= maxLine {
			return unread, nil
		}
		if c == '\n' {
			if v := d.line(); v != unsettled {
				return v, nil
			}
			continue
		}
		if d.length < len(d.word) {
			d.word[d.length] = c
		} else if d.length == len(d.word) && c != ' ' && c != '\r' && !bytes.Contains(d.word[:], []byte{' '}) {
			d.word[0] = 0 // the word is longer than any that counts
		}
		d.length++
	}
	return unsettled, nil
}

// line looks at a whole line. After MAIL, AUTH and what is like them, a client no longer
// begins TLS, and what it says is nobody's business.
func (d *dialogue) line() verdict {
	word := bytes.ToUpper(d.word[:min(d.length, len(d.word))])
	if i := bytes.IndexAny(word, " \r"); i >= 0 {
		word = word[:i]
	}
	d.length, d.due = 0, false
	clear(d.word[:])
	switch string(word) {
	case "STARTTLS":
		d.due = true
	case "MAIL", "AUTH", "DATA", "BDAT":
		return cleartext
	}
	return unsettled
}
