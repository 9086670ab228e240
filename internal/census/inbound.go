package census

import (
	"bytes"
)

// session is what a server process has said of the client that it serves.
type session struct {
	peer    []byte
	service string
	from    uint32
	to      uint32
	kind    kind
	// messages are those that came in it, authenticated those after a login.
	messages, authenticated uint32
	tried, started          uint32
	reason                  string // why the handshake failed
	lead                    string // a reason that came first, for an earlier failure
	encrypted, failed       bool
	// bare is what the session is without a sign of TLS. logged: a handshake had been
	// logged by its last line.
	bare   kind
	logged bool
	// ended: the client has left. partial: its first line is not known to be the first
	// of the session.
	ended, partial bool
}

// serverLine counts a line of smtpd.
func (t *tally) serverLine(id uint64, service string, now uint32, text []byte) {
	switch {
	case len(text) < 12:
	case string(text[:8]) == "connect " && string(text[:12]) == "connect from":
		if peer := t.peer(id, text, len("connect from ")); peer != nil {
			t.open(id, service, now, peer, false)
		}
	case string(text[:11]) == "disconnect ":
		if peer := t.peer(id, text, len("disconnect from ")); peer != nil {
			s := t.current(id, service, now, peer, false)
			s.counters(text[len("disconnect from ")+len(peer):])
			s.ended = true
			t.close(id, s)
		}
	case string(text[:11]) == "SSL_accept ":
		if peer := t.peer(id, text, len("SSL_accept error from ")); peer != nil {
			s := t.current(id, service, now, peer, true)
			s.failed = true
			if bytes.HasSuffix(text, []byte(": lost connection")) {
				s.reason = "lost connection"
			} else if bytes.HasSuffix(text, []byte("timed out")) {
				s.reason = "timed out"
			}
		}
	case string(text[:9]) == "warning: ":
		if reason := libraryProblem(text); reason != nil {
			t.blame(id, now, t.word(reason))
		}
	default:
		if !t.serverTLS(id, service, now, text) {
			t.accepted(id, service, now, text)
		}
	}
}

// peer returns the peer at a place of a line, and counts the line as odd if there is none.
// Most are those of the process's session.
func (t *tally) peer(id uint64, text []byte, at int) []byte {
	if len(text) > at && (text[at-1] == ' ' || text[at-1] == '=') {
		if s := t.servers[id]; s != nil && len(s.peer) > 0 && bytes.HasPrefix(text[at:], s.peer) {
			return text[at : at+len(s.peer)]
		}
		if p := peerAt(text[at:]); p != nil {
			return p
		}
	}
	t.odd++
	return nil
}

// connection returns the parts of a line about a handshake: the trust label, "from" or
// "to" with the rest.
func connection(text []byte) (trust, rest []byte, reused bool) {
	switch text[0] {
	case 'A', 'U', 'T', 'V':
	default:
		return nil, nil, false
	}
	sp := bytes.IndexByte(text[:min(len(text), 12)], ' ')
	const words = " TLS connection "
	if sp < 0 || len(text) < sp+len(words)+20 || string(text[sp:sp+len(words)]) != words {
		return nil, nil, false
	}
	trust, rest = text[:sp], text[sp+len(words):]
	switch {
	case string(rest[:12]) == "established ":
		return trust, rest[12:], false
	case string(rest[:7]) == "reused ":
		return trust, rest[7:], true
	}
	return nil, nil, false
}

// serverTLS counts the summary of a handshake, and reports whether the line is one.
func (t *tally) serverTLS(id uint64, service string, now uint32, text []byte) bool {
	trust, rest, _ := connection(text)
	if trust == nil || string(rest[:5]) != "from " {
		return false
	}
	peer := t.peer(id, rest, 5)
	if peer == nil {
		return true
	}
	rest = rest[5+len(peer):]
	// The name that the client asked for stands between.
	if bytes.HasPrefix(rest, []byte(" to ")) {
		n := bytes.IndexByte(rest, ':')
		if n < 0 {
			t.odd++
			return true
		}
		rest = rest[n:]
	}
	if len(rest) < 2 || rest[0] != ':' || rest[1] != ' ' {
		t.odd++
		return true
	}
	k, ok := t.kinds.of(trust, rest[2:])
	if !ok {
		t.odd++
		return true
	}
	t.note(in, now)
	s := t.current(id, service, now, peer, true)
	s.encrypted, s.kind = true, k
	return true
}

// note remembers when the first handshake was logged.
func (t *tally) note(direction int, now uint32) {
	if t.logged[direction] == 0 || now < t.logged[direction] {
		t.logged[direction] = now
	}
}

// settled reports whether a handshake, or mail without one, has come already, so that
// another handshake is of another session.
func (s *session) settled() bool { return s.encrypted || s.failed || s.messages > 0 }

// accepted counts a message: "QUEUEID: client=name[address], sasl_method=...".
func (t *tally) accepted(id uint64, service string, now uint32, text []byte) {
	n := queueID(text)
	const words = ": client="
	if n == 0 || len(text) < n+len(words) || string(text[n:n+len(words)]) != words {
		return
	}
	peer := t.peer(id, text, n+len(words))
	if peer == nil {
		return
	}
	s := t.current(id, service, now, peer, false)
	s.messages++
	if bytes.HasPrefix(text[n+len(words)+len(peer):], []byte(", sasl_")) {
		s.authenticated++
	}
}

// queueID is the length of the queue identifier, or of NOQUEUE, that begins a line.
func queueID(text []byte) int {
	for i, b := range text {
		switch {
		case b == ':' && i >= 6:
			return i
		case i > 30 || b < '0' || b > 'z' || b > '9' && b < 'A' || b > 'Z' && b < 'a':
			return 0
		}
	}
	return 0
}

// current returns the session of a process with a peer, and begins one if there is none,
// or if there comes a handshake that cannot be of this one.
func (t *tally) current(id uint64, service string, now uint32, peer []byte, handshake bool) *session {
	s, known := t.servers[id]
	switch {
	case s == nil:
		return t.open(id, service, now, peer, !known)
	case len(s.peer) == 0: // only a reason was seen
		s.peer, s.service, s.from, s.bare = append(s.peer, peer...), service, now, t.bare(service)
	case !bytes.Equal(s.peer, peer), handshake && s.settled():
		return t.open(id, service, now, peer, false)
	}
	s.to, s.logged = now, t.logged[in] != 0
	return s
}

// open begins a session, and ends the one before it.
func (t *tally) open(id uint64, service string, now uint32, peer []byte, partial bool) *session {
	s := t.servers[id]
	if s != nil {
		t.settle(id, s)
	} else {
		s = t.spare()
		t.servers[id] = s
	}
	*s = session{peer: append(s.peer[:0], peer...), service: service, from: now, to: now, bare: t.bare(service), logged: t.logged[in] != 0, partial: partial}
	return s
}

// close ends a session that the client has left.
func (t *tally) close(id uint64, s *session) {
	t.settle(id, s)
	t.servers[id] = nil
	t.idle = append(t.idle, s)
}

// spare returns a session that is not in use.
func (t *tally) spare() *session {
	if n := len(t.idle); n > 0 {
		s := t.idle[n-1]
		t.idle = t.idle[:n-1]
		return s
	}
	return &session{}
}

// settle counts a session that is over, or keeps it if it may have begun in an earlier
// stretch.
func (t *tally) settle(id uint64, s *session) {
	if s.partial {
		h := *s
		h.peer = bytes.Clone(s.peer)
		t.heads[id] = h
		return
	}
	t.count(s)
}

// blame notes why the handshake of a process failed.
func (t *tally) blame(id uint64, now uint32, reason string) {
	s, known := t.servers[id]
	switch {
	case s == nil && known:
	case s == nil:
		s = t.open(id, "", now, nil, true)
		s.lead = reason
	case s.failed && s.reason == "" && s.messages == 0:
		s.reason = reason
	}
}

// libraryProblem returns the reason in a line of OpenSSL's: "unsupported protocol" in
// "error:0A000102:SSL routines::unsupported protocol:../ssl/statem/statem_srvr.c:1657:".
func libraryProblem(text []byte) []byte {
	const words = "warning: TLS library problem: "
	if len(text) < len(words) || string(text[:len(words)]) != words {
		return nil
	}
	text = text[len(words):]
	// Postfix 3.4 to 3.12 begin with "error:"; older ones with the number of the process.
	n := bytes.Index(text, []byte("error:"))
	if n < 0 || n > 12 {
		return nil
	}
	parts := bytes.SplitN(text[n:], []byte(":"), 6)
	if len(parts) < 6 || len(parts[4]) == 0 || len(parts[4]) > 100 {
		return nil
	}
	for _, b := range parts[4] {
		if b < ' ' || b > '~' {
			return nil
		}
	}
	return parts[4]
}

// counters reads what smtpd counted: " ehlo=2 starttls=0/1 auth=1 mail=1". Each is how
// often a command worked, and how often it was given if that is more.
func (s *session) counters(text []byte) {
	if n := bytes.Index(text, []byte(" starttls=")); n >= 0 {
		s.started, s.tried = ratio(text[n+len(" starttls="):])
	}
}

// ratio reads "1" and "0/1".
func ratio(text []byte) (ok, all uint32) {
	i := 0
	for ; i < len(text) && i < 6 && text[i]-'0' <= 9; i++ {
		ok = ok*10 + uint32(text[i]-'0')
	}
	if i >= len(text) || text[i] != '/' {
		return ok, ok
	}
	for i++; i < len(text) && i < 13 && text[i]-'0' <= 9; i++ {
		all = all*10 + uint32(text[i]-'0')
	}
	return ok, max(ok, all)
}
