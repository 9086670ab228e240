package census

import "bytes"

// row is what is counted of one peer.
type row struct {
	// key is the client as the log has it, or the domain and the server's name with a
	// zero byte between; before that the service and a zero byte, if there is one.
	key string
	// address is the first that was seen of the server, and placed when. A client's is in
	// the key.
	address string
	placed  uint32

	first, last        uint32
	lastTLS, lastClear uint32
	authenticated      uint32
	tried, started     uint32
	uses               [2]use
	rare               *rare
}

// rare is what most peers do not have.
type rare struct {
	lastFail, lastSilent uint32
	more                 []use
	causes               []cause
}

// rarely returns what is rare of a row.
func (r *row) rarely() *rare {
	if r.rare == nil {
		r.rare = &rare{}
	}
	return r.rare
}

// use is how often one kind was used. A kind with no sessions and no messages is a free
// place.
type use struct {
	kind               kind
	sessions, messages uint32
}

// cause is a reason with its number.
type cause struct {
	deferral bool
	reason   string
	n        uint32
}

// maxCauses bounds the reasons that are kept of one peer.
const maxCauses = 24

func (r *row) add(k kind, sessions, messages uint32) {
	if sessions == 0 && messages == 0 {
		return
	}
	for i := range r.uses {
		if u := &r.uses[i]; u.kind == k && u.sessions|u.messages != 0 || u.sessions|u.messages == 0 {
			u.kind, u.sessions, u.messages = k, u.sessions+sessions, u.messages+messages
			return
		}
	}
	x := r.rarely()
	for i := range x.more {
		if u := &x.more[i]; u.kind == k {
			u.sessions, u.messages = u.sessions+sessions, u.messages+messages
			return
		}
	}
	x.more = append(x.more, use{k, sessions, messages})
}

// fail counts a failure, at its latest.
func (r *row) fail(deferral bool, reason string, n, at uint32) {
	x := r.rarely()
	x.lastFail = max(x.lastFail, at)
	for i := range x.causes {
		if c := &x.causes[i]; c.deferral == deferral && c.reason == reason {
			c.n += n
			return
		}
	}
	if len(x.causes) >= maxCauses {
		x.causes[maxCauses-1].n += n
		return
	}
	x.causes = append(x.causes, cause{deferral, reason, n})
}

// came notes when the peer came back. A handshake tells, and else only mail does.
func (r *row) came(k kind, at uint32, mail bool) {
	switch {
	case k == silent && mail:
		x := r.rarely()
		x.lastSilent = max(x.lastSilent, at)
	case k == cleartext && mail:
		r.lastClear = max(r.lastClear, at)
	case k != cleartext && k != silent:
		r.lastTLS = max(r.lastTLS, at)
	}
}

// seen widens the time in which the peer was seen.
func (r *row) seen(from, to uint32) {
	if r.first == 0 || from < r.first {
		r.first = from
	}
	r.last = max(r.last, to)
}

// place keeps the first address.
func (r *row) place(addr []byte, at uint32) {
	if r.address == "" || at < r.placed || at == r.placed && string(addr) < r.address {
		r.address, r.placed = string(addr), at
	}
}

// reasons are why something failed.
func (r *row) reasons() []cause {
	if r.rare == nil {
		return nil
	}
	return r.rare.causes
}

// eachUse calls f for every kind that was used.
func (r *row) eachUse(f func(use)) {
	for _, u := range r.uses {
		if u.sessions|u.messages != 0 {
			f(u)
		}
	}
	if r.rare != nil {
		for _, u := range r.rare.more {
			f(u)
		}
	}
}

// row returns the row of a key. Beyond the most that is kept it is one row for all.
func (t *tally) row(direction int, key []byte) *row {
	m := &t.rows[direction]
	r, h := m.find(key)
	if r != nil {
		return r
	}
	if t.rows[in].n+t.rows[out].n >= t.most {
		return &t.others[direction]
	}
	return m.add(key, h)
}

// key puts the parts of a key together. The result is good until the next call.
func (t *tally) key(service string, parts ...[]byte) []byte {
	b := t.scratch[:0]
	if service != "" {
		b = append(append(b, service...), 0)
	}
	for i, p := range parts {
		if i > 0 {
			b = append(b, 0)
		}
		b = append(b, p...)
	}
	t.scratch = b
	return b
}

// peerAt returns the "name[address]" with which text begins, as Postfix writes it: of a
// name that DNS may have, or "unknown", and an address.
func peerAt(text []byte) []byte {
	open := bytes.IndexByte(text[:min(len(text), 260)], '[')
	if open <= 0 {
		return nil
	}
	end := bytes.IndexByte(text[open:min(len(text), open+60)], ']')
	if end < 2 {
		return nil
	}
	for _, b := range text[:open] {
		if !nameByte[b] {
			return nil
		}
	}
	for _, b := range text[open+1 : open+end] {
		if !nameByte[b] {
			return nil
		}
	}
	return text[:open+end+1]
}

// nameByte has the bytes of host names and addresses.
var nameByte = func() (ok [256]bool) {
	for _, b := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:_-%/") {
		ok[b] = true
	}
	return ok
}()
