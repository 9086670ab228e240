package census

import (
	"bytes"
)

// delivery is what a client process has said of the server that it talks to.
type delivery struct {
	relay   []byte // name[address]:port
	qid     []byte // the message of the last result
	service string
	kind    kind
	row     *row // of the last result
	failAt  uint32
	reason  string
	// encrypted: there was a summary line for relay. bound: a result has come through
	// that connection, which serves one message. reused: it was opened for an earlier one.
	encrypted, bound, reused bool
	failed                   bool
	counted                  bool // the message was counted in row
	// fresh: nothing was seen that does not depend on what the process did before.
	fresh bool
}

// result is a line about one recipient: "QUEUEID: to=<...>, relay=..., status=...".
type result struct {
	service string
	qid     []byte
	domain  []byte
	relay   []byte
	reason  string // why Postfix itself put the delivery off
	at      uint32
	status  byte // of sent, deferred and bounced
	tls     verdict
	logged  bool   // a handshake had been logged before
	again   bool   // on a connection that was used before
	library string // no result, but a reason of OpenSSL's for the failure before it
}

// verdict is what the tls= of Postfix 3.11 says.
type verdict byte

const (
	unsaid verdict = iota
	saysTLS
	saysCleartext
)

// clientLine counts a line of smtp or lmtp.
func (t *tally) clientLine(id uint64, service string, now uint32, text []byte) {
	if len(text) < 12 {
		return
	}
	if trust, rest, reused := connection(text); trust != nil && string(rest[:3]) == "to " {
		t.clientTLS(id, service, now, trust, rest[3:], reused)
		return
	}
	switch {
	case string(text[:12]) == "SSL_connect ":
		p := t.client(id)
		*p = delivery{relay: p.relay[:0], qid: p.qid[:0], service: service, failed: true, failAt: now}
		if bytes.HasSuffix(text, []byte(": lost connection")) {
			p.reason = "lost connection"
		} else if bytes.HasSuffix(text, []byte("timed out")) {
			p.reason = "timed out"
		}
	case string(text[:9]) == "warning: ":
		if reason := libraryProblem(text); reason != nil {
			t.blameServer(id, t.word(reason))
		}
	default:
		t.resultLine(id, service, now, text)
	}
}

// clientTLS counts the summary of a handshake with a server.
func (t *tally) clientTLS(id uint64, service string, now uint32, trust, rest []byte, reused bool) {
	relay := relayAt(rest)
	if relay == nil || len(rest) < len(relay)+2 || rest[len(relay)] != ':' || rest[len(relay)+1] != ' ' {
		t.odd++
		return
	}
	k, ok := t.kinds.of(trust, rest[len(relay)+2:])
	if !ok {
		t.odd++
		return
	}
	t.note(out, now)
	p := t.client(id)
	*p = delivery{relay: append(p.relay[:0], relay...), qid: p.qid[:0], service: service, encrypted: true, kind: k, reused: reused}
}

// client returns the state of a process.
func (t *tally) client(id uint64) *delivery {
	p := t.clients[id]
	if p == nil {
		p = &delivery{fresh: true}
		t.clients[id] = p
	}
	return p
}

// relayAt returns the "name[address]:port" with which text begins.
func relayAt(text []byte) []byte {
	peer := peerAt(text)
	if peer == nil {
		return nil
	}
	n := len(peer)
	if n >= len(text) || text[n] != ':' {
		return nil
	}
	for n++; n < len(text) && text[n]-'0' <= 9; n++ {
	}
	return text[:n]
}

// blameServer notes why the handshake of a process failed.
func (t *tally) blameServer(id uint64, reason string) {
	p := t.client(id)
	switch {
	case p.fresh && len(t.headQueue[id]) == 0:
		t.headQueue[id] = append(t.headQueue[id], result{library: reason})
	case p.failed && p.reason == "":
		p.reason = reason
	}
}

// resultLine counts a result.
func (t *tally) resultLine(id uint64, service string, now uint32, text []byte) {
	n := queueID(text)
	if n == 0 || len(text) < n+40 || string(text[n:n+6]) != ": to=<" {
		return
	}
	r := result{service: service, qid: text[:n], at: now, logged: t.logged[out] != 0}
	if !r.read(text[n+6:]) {
		t.odd++
		return
	}
	if r.status != 0 {
		t.deliver(id, &r)
	}
}

var (
	relayWord  = []byte(">, relay=")
	origWord   = []byte(">, orig_to=<")
	statusWord = []byte(", status=")
)

// read reads what stands behind "to=<". The recipient is what a sender has written, and
// the text in the last parentheses often a server's: a line in which one of them may pass
// for another field is not read. It leaves status zero for what is no delivery to a
// server.
func (r *result) read(text []byte) bool {
	n := bytes.Index(text, relayWord)
	if n < 0 {
		return false
	}
	to := text[:n]
	if o := bytes.Index(to, origWord); o >= 0 {
		to = to[:o]
	}
	at := bytes.LastIndexByte(to, '@')
	if at < 0 || len(to)-at > 260 || !isDomain(to[at+1:]) || bytes.IndexByte(to, '>') >= 0 {
		// A domain may be an address: user@[192.0.2.1].
		if at < 0 || at+1 >= len(to) || to[at+1] != '[' || bytes.IndexByte(to, '>') >= 0 {
			return false
		}
	}
	r.domain = to[at+1:]
	text = text[n+len(relayWord):]
	end := bytes.IndexByte(text, ',')
	if end < 0 || bytes.Contains(text, relayWord) {
		return false
	}
	r.relay = text[:end]
	s := bytes.Index(text[end:], statusWord)
	if s < 0 {
		return false
	}
	fields, status := text[end:end+s], text[end+s+len(statusWord):]
	r.again = bytes.HasPrefix(fields, []byte(", conn_use="))
	r.tls = tlsField(fields)
	switch {
	case bytes.HasPrefix(status, []byte("sent (")):
		r.status = 's'
	case bytes.HasPrefix(status, []byte("bounced (")):
		r.status = 'b'
	case bytes.HasPrefix(status, []byte("deferred (")):
		r.status = 'd'
		r.reason = ours(status[len("deferred ("):])
	default:
		return true // undeliverable, of address verification
	}
	if string(r.relay) == "none" {
		r.relay = nil
	} else if relay := relayAt(r.relay); len(relay) != len(r.relay) {
		r.status = 0 // a socket of this machine
	}
	return true
}

// isDomain reports whether a domain has no byte that may end it in a log.
func isDomain(text []byte) bool {
	for _, b := range text {
		switch b {
		case '"', ' ', '<', '>', ',', '(', ')', '[', ']':
			return false
		}
	}
	return true
}

// tlsField reads the tls= of Postfix 3.11: the level, and behind a colon what was done
// instead. With "!" the level was not reached, with "?" it was not decided.
func tlsField(fields []byte) verdict {
	n := bytes.Index(fields, []byte(", tls="))
	if n < 0 {
		return unsaid
	}
	value := fields[n+len(", tls="):]
	if end := bytes.IndexAny(value, ",/"); end >= 0 {
		value = value[:end]
	}
	level, actual, instead := bytes.Cut(value, []byte(":"))
	if !instead {
		actual = level
	}
	switch {
	case len(value) == 0 || value[0] == '!' || value[len(value)-1] == '?':
		return unsaid
	case string(actual) == "none":
		return saysCleartext
	}
	return saysTLS
}

// deferrals are what Postfix says of its own when TLS puts a delivery off
// (smtp_proto.c). A server's words begin with "host NAME said: " instead.
var deferrals = []struct{ text, reason string }{
	{"Cannot start TLS: handshake failure", "handshake failure"},
	{"TLS is required, but was not offered", "TLS not offered"},
	{"TLS is required, but host ", "STARTTLS refused"},
	{"TLS is required, but", "TLS not available here"},
	{"Server certificate not verified", "certificate not verified"},
	{"Server certificate not trusted", "certificate not trusted"},
	{"client TLS configuration problem", "client TLS configuration problem"},
	{"TLS configuration problem", "client TLS configuration problem"},
}

// ours returns why Postfix put a delivery off for its TLS, or nothing.
func ours(text []byte) string {
	switch text[0] {
	case 'C', 'T', 'S', 'c':
	default:
		return ""
	}
	for _, d := range deferrals {
		if bytes.HasPrefix(text, []byte(d.text)) {
			return d.reason
		}
	}
	return ""
}
