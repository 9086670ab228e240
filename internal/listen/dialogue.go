package listen

import (
	"bytes"
	"strings"

	"postseal/internal/hello"
	"postseal/internal/probe"
)

// verdict is what a connection turned out to be.
type verdict int

const (
	unsettled verdict = iota
	offered           // it began TLS, and the hello was read
	cleartext         // it went on without TLS
	probed            // a probe came, of this postseal or another: it is no sender
	unread            // it was none of these, or not all of it was seen
)

// Bounds of what a client says before TLS: RFC 5321, section 4.5.3.1.4, allows 512 bytes
// for a line.
const (
	maxLine     = 1024
	maxDialogue = 8 << 10
)

// dialogue follows what a client says up to its hello. Of a line it keeps how it begins,
// until it is at its end, and nothing else.
type dialogue struct {
	start  [24]byte
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
		if d.length < len(d.start) {
			d.start[d.length] = c
		}
		d.length++
	}
	return unsettled, nil
}

// line looks at a whole line. After MAIL, AUTH and what is like them, a client no longer
// begins TLS, and what it says is nobody's business.
func (d *dialogue) line() verdict {
	line := strings.ToUpper(string(bytes.TrimRight(d.start[:min(d.length, len(d.start))], " \r")))
	word, rest, _ := strings.Cut(line, " ")
	d.length, d.due = 0, false
	clear(d.start[:])
	switch word {
	case "STARTTLS":
		d.due = true
	case "EHLO":
		if strings.EqualFold(rest, probe.HeloName) {
			return probed
		}
	case "MAIL", "AUTH", "DATA", "BDAT":
		return cleartext
	}
	return unsettled
}
