package census

import "bytes"

// processes are the bits of a process's number among those of its host.
const processes = 1<<34 - 1

// merge adds the tally of the stretch that follows. It leaves b in no state to be used.
func (t *tally) merge(b *tally) {
	kinds := make([]kind, len(b.kinds.list))
	for i, k := range b.kinds.list {
		kinds[i] = t.kinds.number(k)
	}
	// What was silent in b is not if an earlier stretch has a handshake.
	before := [2]bool{t.logged[in] != 0, t.logged[out] != 0}
	translate := func(d int) []kind {
		if kinds[silent] = silent; before[d] {
			kinds[silent] = cleartext
		}
		return kinds
	}
	hosts := make(map[uint64]uint64, len(b.hosts))
	for name, n := range b.hosts {
		hosts[n] = t.host([]byte(name))
	}
	number := func(id uint64) uint64 { return hosts[id>>34]<<34 | id&processes }
	for d := range b.rows {
		kinds := translate(d)
		for i := range b.rows[d].n {
			r := b.rows[d].at(i)
			t.row(d, []byte(r.key)).absorb(r, kinds)
		}
		t.said[d] = t.said[d] || b.said[d]
		t.others[d].absorb(&b.others[d], kinds)
		if b.logged[d] != 0 {
			t.note(d, b.logged[d])
		}
	}
	for id, s := range b.servers {
		if s != nil {
			s.logged = s.logged || before[in]
		}
		if h, ok := b.heads[id]; ok {
			h.kind, h.logged = kinds[h.kind], h.logged || before[in]
			t.resume(number(id), &h, true)
		}
		t.goOn(number(id), s, kinds)
	}
	translate(out)
	for id, p := range b.clients {
		for i := range b.headQueue[id] {
			r := &b.headQueue[id][i]
			r.logged = r.logged || before[out]
		}
		t.goOnSending(number(id), p, b.headQueue[id], kinds)
	}
	t.lines, t.odd, t.long, t.leftOut = t.lines+b.lines, t.odd+b.odd, t.long+b.long, t.leftOut+b.leftOut
	if b.first != 0 && (t.first == 0 || b.first < t.first) {
		t.first = b.first
	}
	t.last = max(t.last, b.last)
}

// absorb adds the counts of a row.
func (r *row) absorb(b *row, kinds []kind) {
	if b.address != "" {
		r.place([]byte(b.address), b.placed)
	}
	if b.first != 0 {
		r.seen(b.first, b.last)
	}
	r.lastTLS, r.lastClear = max(r.lastTLS, b.lastTLS), max(r.lastClear, b.lastClear)
	r.authenticated, r.tried, r.started = r.authenticated+b.authenticated, r.tried+b.tried, r.started+b.started
	b.eachUse(func(u use) { r.add(kinds[u.kind], u.sessions, u.messages) })
	if b.rare == nil {
		return
	}
	r.came(kinds[silent], b.rare.lastSilent, true)
	for _, c := range b.rare.causes {
		r.fail(c.deferral, c.reason, c.n, b.rare.lastFail)
	}
}

// goOn takes over the session that a process of the later stretch has at its end.
func (t *tally) goOn(id uint64, s *session, kinds []kind) {
	if s == nil {
		if old := t.servers[id]; old != nil {
			t.close(id, old)
		}
		t.servers[id] = nil
		return
	}
	s.kind = kinds[s.kind]
	if s.partial {
		t.resume(id, s, false)
		return
	}
	if old := t.servers[id]; old != nil {
		t.settle(id, old)
	}
	t.servers[id] = s
}

// resume goes on with a session of which the later stretch has seen a part, as if its
// lines were read one by one.
func (t *tally) resume(id uint64, h *session, over bool) {
	s, known := t.servers[id]
	if h.lead != "" && s != nil && s.failed && s.reason == "" && s.messages == 0 {
		s.reason = h.lead
	}
	switch {
	case s == nil && known && len(h.peer) == 0:
		return
	case s == nil:
		s = t.spare()
		*s = *h
		s.partial = !known
		t.servers[id] = s
	case len(h.peer) == 0:
		return
	case len(s.peer) == 0:
		lead := s.lead
		*s = *h
		s.lead, s.partial = lead, true
	case !bytes.Equal(s.peer, h.peer), s.settled() && (h.encrypted || h.failed):
		t.settle(id, s)
		*s = *h
		s.partial = false
	default:
		s.join(h)
	}
	if over {
		t.close(id, s)
	}
}

// join adds the rest of a session.
func (s *session) join(h *session) {
	s.to = h.to
	if h.encrypted {
		s.encrypted, s.kind = true, h.kind
	}
	if h.failed {
		s.failed, s.reason = true, h.reason
	}
	s.messages, s.authenticated = s.messages+h.messages, s.authenticated+h.authenticated
	s.tried, s.started = s.tried+h.tried, s.started+h.started
	s.ended, s.logged = h.ended, s.logged || h.logged
}

// goOnSending takes over the state of a client process of the later stretch.
func (t *tally) goOnSending(id uint64, p *delivery, head []result, kinds []kind) {
	for i := range head {
		if head[i].library != "" {
			t.blameServer(id, head[i].library)
		} else {
			t.deliver(id, &head[i])
		}
	}
	if p.fresh {
		return
	}
	p.kind = kinds[p.kind]
	switch {
	case p.row == nil:
	case p.row.key == "":
		p.row = &t.others[out]
	default:
		p.row = t.row(out, []byte(p.row.key))
	}
	t.clients[id] = p
}

// finish counts what is still open. Nothing can be read after it.
func (t *tally) finish() {
	for _, h := range t.heads {
		t.count(&h)
	}
	for id, s := range t.servers {
		if s != nil {
			s.partial = false
			t.settle(id, s)
		}
	}
	for id, head := range t.headQueue {
		p := &delivery{}
		for i := range head {
			if head[i].library == "" {
				t.book(p, &head[i])
			}
		}
		delete(t.headQueue, id)
	}
	clear(t.heads)
	clear(t.servers)
	clear(t.clients)
}
