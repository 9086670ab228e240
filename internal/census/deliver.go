package census

import "bytes"

// deliver counts a result, or keeps it if what the process did in an earlier stretch says
// how the mail went. That is so for the results of its first message only: for the next
// one it opens another connection, and says so if that one uses TLS.
func (t *tally) deliver(id uint64, r *result) {
	p := t.client(id)
	if p.fresh {
		head := t.headQueue[id]
		if i := len(head) - 1; i < 0 || head[i].library != "" || bytes.Equal(head[i].qid, r.qid) {
			kept := *r
			kept.qid, kept.domain, kept.relay = bytes.Clone(r.qid), bytes.Clone(r.domain), bytes.Clone(r.relay)
			t.headQueue[id] = append(head, kept)
			return
		}
		p.fresh = false
	}
	t.book(p, r)
}

// book books a result.
func (t *tally) book(p *delivery, r *result) {
	same := bytes.Equal(p.qid, r.qid)
	k, sessions := p.connected(r, same)
	t.said[out] = t.said[out] || r.tls != unsaid
	if k == cleartext && !r.logged {
		k = silent
		if p.bound { // the next recipients of the message got it in the same way
			p.kind = silent
		}
	}
	switch {
	case r.tls == saysCleartext:
		k = cleartext
	case r.tls == saysTLS && (k == cleartext || k == silent):
		k = unlogged
	}
	p.qid = append(p.qid[:0], r.qid...)

	mx := r.relay
	if n := bytes.IndexByte(mx, '['); n >= 0 {
		mx = mx[:n]
	}
	row := t.row(out, t.key(r.service, r.domain, mx))
	if r.relay != nil && row.key != "" && (row.address == "" || r.at <= row.placed) {
		row.place(address(r.relay), r.at)
	}
	row.seen(r.at, r.at)
	if p.failed {
		reason := p.reason
		if reason == "" {
			reason = "not logged"
		}
		row.fail(false, reason, 1, p.failAt)
		p.failed, p.reason = false, ""
	}
	if p.row != row || !same {
		p.row, p.counted = row, false
	}
	switch {
	case r.status == 's':
		messages := uint32(1)
		if p.counted {
			messages = 0
		}
		p.counted = true
		row.add(k, sessions, messages)
		row.came(k, r.at, true)
	case r.reason != "":
		row.fail(true, r.reason, 1, r.at)
		p.end()
	default:
		row.add(k, sessions, 0)
	}
}

// connected works out what a result came through, and whether it is the first to come
// through that.
func (p *delivery) connected(r *result, same bool) (k kind, sessions uint32) {
	to := bytes.Equal(p.relay, r.relay)
	switch {
	case r.relay == nil:
		p.end()
		return cleartext, 0
	case to && p.bound && same:
		return p.kind, 0
	case to && p.encrypted && !p.bound:
		p.bound = true
		if !p.reused {
			sessions = 1
		}
		return p.kind, sessions
	}
	p.relay, p.kind, p.encrypted, p.bound = append(p.relay[:0], r.relay...), cleartext, false, true
	if !r.again {
		sessions = 1
	}
	return cleartext, sessions
}

// end notes that the connection is over.
func (p *delivery) end() {
	p.relay, p.kind, p.encrypted, p.bound = p.relay[:0], cleartext, false, false
}
