package hello

// maxOld is the longest hello in the format of SSL 2.0 that is read: its length has 15
// bits.
const maxOld = 2 + 1<<15

// parseOld reads a hello in the format of SSL 2.0 (RFC 5246, appendix E.2), which clients
// of before 2010 send to servers of any age. Its suites have three bytes; those that begin
// with zero are suites of TLS.
func parseOld(message []byte) (*Hello, error) {
	b := buffer{rest: message}
	if n := int(b.word()) & 0x7FFF; n != len(b.rest) || b.byte() != 1 {
		return nil, ErrNotTLS
	}
	version := b.word()
	suites, session, challenge := int(b.word()), int(b.word()), int(b.word())
	list := b.take(suites)
	b.take(session)
	b.take(challenge)
	if b.short || len(b.rest) > 0 || suites == 0 || suites%3 != 0 || challenge < 16 || challenge > 32 || session > 32 ||
		version != SSL20 && version>>8 != 3 {
		return nil, ErrMangled
	}
	h := &Hello{Old: true, Newest: version}
	for rest := (buffer{rest: list}); len(rest.rest) > 0 && len(h.Suites) < maxList; {
		if first, id := rest.byte(), rest.word(); first == 0 {
			h.Suites = append(h.Suites, id)
		}
	}
	w := writer{}
	w.word(uint16(0x8000 | 9 + len(list) + 32))
	w = append(w, 1)
	w.word(version, uint16(len(list)), 0, 32)
	w = append(w, list...)
	w = append(w, make([]byte, 32)...)
	h.Shape = w
	if len(h.Shape) > maxOld {
		return nil, ErrTooLarge
	}
	return h, nil
}
