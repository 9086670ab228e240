package census

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// result makes a census of a tally, which is of no use after that.
func (t *tally) result() *Census {
	t.finish()
	c := &Census{Lines: t.lines, Unreadable: t.odd, TooLong: t.long, LeftOut: t.leftOut}
	if t.first != 0 {
		c.First, c.Last = moment(t.first), moment(t.last)
	}
	c.Inbound = t.traffic(in, Inbound)
	c.Outbound = t.traffic(out, Outbound)
	return c
}

func moment(sec uint32) time.Time { return time.Unix(int64(sec), 0).UTC() }

// traffic sums up one direction.
func (t *tally) traffic(d int, direction Direction) Traffic {
	f := Traffic{Logged: t.logged[d] != 0, Protocols: map[string]Volume{}, Peers: make([]Peer, 0, t.rows[d].n)}
	if f.Logged {
		f.Since = moment(t.logged[d])
	}
	// What is cleartext is seen of a server process without a summary line, since smtpd
	// counts STARTTLS. Of a client process only the tls= of 3.11 tells it then.
	known := direction == Inbound || f.Logged || t.said[d]
	f.CleartextSessions.Known, f.CleartextMessages.Known = known, known
	sum := func(r *row) Peer {
		p := t.peerOf(r, direction, known)
		f.Sessions, f.Messages = f.Sessions+p.Sessions, f.Messages+p.Messages
		f.CleartextSessions.N += p.CleartextSessions.N
		f.CleartextMessages.N += p.CleartextMessages.N
		f.Unknown = Volume{f.Unknown.Sessions + p.Unknown.Sessions, f.Unknown.Messages + p.Unknown.Messages}
		if p.Local {
			f.LocalMessages += p.Messages
		}
		for _, u := range p.TLS {
			v := f.Protocols[u.Protocol]
			f.Protocols[u.Protocol] = Volume{v.Sessions + u.Sessions, v.Messages + u.Messages}
		}
		return p
	}
	for _, r := range t.rows[d].byMail() {
		f.Peers = append(f.Peers, sum(r.row))
	}
	f.Unnamed = sum(&t.others[d]).Volume
	f.CleartextSessions.doubt(f.Unknown.Sessions)
	f.CleartextMessages.doubt(f.Unknown.Messages)
	return f
}

// ranked is a row with what it is sorted by.
type ranked struct {
	*row
	messages, sessions uint32
}

// byMail returns all rows, those with most messages first. Keys are compared only where the
// numbers are the same.
func (r *rows) byMail() []ranked {
	all := make([]ranked, r.n)
	for i := range all {
		x := ranked{row: r.at(i)}
		x.eachUse(func(u use) { x.messages, x.sessions = x.messages+u.messages, x.sessions+u.sessions })
		all[i] = x
	}
	slices.SortFunc(all, func(a, b ranked) int {
		switch {
		case a.messages != b.messages:
			return cmp.Compare(b.messages, a.messages)
		case a.sessions != b.sessions:
			return cmp.Compare(b.sessions, a.sessions)
		}
		return strings.Compare(a.key, b.key)
	})
	return all
}

// peerOf makes a peer of a row.
func (t *tally) peerOf(r *row, direction Direction, known bool) Peer {
	p := Peer{Direction: direction, Address: r.address, Authenticated: int(r.authenticated), Tried: int(r.tried), Started: int(r.started)}
	if r.key != "" {
		p.name(r.key)
	}
	p.Local = t.isOwn(p.Address)
	if r.first != 0 {
		p.First, p.Last = moment(r.first), moment(r.last)
	}
	p.CleartextSessions.Known, p.CleartextMessages.Known = known, known
	r.eachUse(func(u use) {
		v := Volume{int(u.sessions), int(u.messages)}
		p.Sessions, p.Messages = p.Sessions+v.Sessions, p.Messages+v.Messages
		switch u.kind {
		case cleartext:
			p.CleartextSessions.N, p.CleartextMessages.N = v.Sessions, v.Messages
		case silent:
			p.Unknown = v
		default:
			p.TLS = append(p.TLS, Use{&t.kinds.list[u.kind], v})
		}
	})
	p.CleartextSessions.doubt(p.Unknown.Sessions)
	p.CleartextMessages.doubt(p.Unknown.Messages)
	slices.SortFunc(p.TLS, func(a, b Use) int {
		return cmp.Or(b.Messages-a.Messages, b.Sessions-a.Sessions, strings.Compare(b.Protocol, a.Protocol), strings.Compare(a.Cipher, b.Cipher),
			strings.Compare(a.Group, b.Group), strings.Compare(a.Trust, b.Trust))
	})
	for _, c := range r.reasons() {
		if c.deferral {
			p.Deferred = append(p.Deferred, Cause{c.reason, int(c.n)})
			continue
		}
		p.Failures = append(p.Failures, Cause{c.reason, int(c.n)})
		if direction == Inbound {
			p.Sessions += int(c.n)
		}
	}
	for _, causes := range [][]Cause{p.Deferred, p.Failures} {
		slices.SortFunc(causes, func(a, b Cause) int { return cmp.Or(b.Count-a.Count, strings.Compare(a.Reason, b.Reason)) })
	}
	p.After = r.after()
	return p
}

// name takes the key of a row apart.
func (p *Peer) name(key string) {
	parts := strings.Split(key, "\x00")
	if p.Direction == Inbound {
		peer := parts[len(parts)-1]
		n := strings.IndexByte(peer, '[')
		p.Name, p.Address = peer[:n], peer[n+1:len(peer)-1]
		parts = parts[:len(parts)-1]
	} else {
		p.Name, p.MX = parts[len(parts)-2], parts[len(parts)-1]
		parts = parts[:len(parts)-2]
	}
	if len(parts) > 0 {
		p.Service = parts[0]
	}
}

// after works out what the peer did after its last failure. Mail counts, and in TLS a
// handshake does, too.
func (r *row) after() After {
	if r.rare == nil || r.rare.lastFail == 0 {
		return NeverFailed
	}
	switch last := r.rare.lastFail; {
	case r.lastTLS >= last:
		return InTLS
	case r.lastClear >= last:
		return InCleartext
	case r.rare.lastSilent >= last:
		return Returned
	}
	return NeverReturned
}
