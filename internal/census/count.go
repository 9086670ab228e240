package census

import (
	"bytes"
	"strings"
)

// count books a session.
func (t *tally) count(s *session) {
	if len(s.peer) == 0 {
		return
	}
	// postseal's probes come from this machine and bring no mail, as do health checks. A
	// probe cannot be told by its EHLO name, since Postfix does not log that. What a
	// rehearsal does is in the log of its own Postfix, and not in this one.
	if s.messages == 0 && t.probes(address(s.peer)) {
		t.leftOut++
		return
	}
	r := t.row(in, t.key(s.service, s.peer))
	r.seen(s.from, s.to)
	r.tried += s.tried
	r.started += s.started
	r.authenticated += s.authenticated
	k, sessions := cleartext, uint32(1)
	switch {
	case s.encrypted:
		k = s.kind
	case s.failed:
		reason := s.reason
		if reason == "" {
			reason = "not logged"
		}
		r.fail(false, reason, 1, s.from)
		sessions = 0
	case s.started > 0:
		k = unlogged
	case s.bare == silent && s.logged:
	default:
		k = s.bare
	}
	r.add(k, sessions, s.messages)
	r.came(k, s.to, s.messages > 0)
}

// bare returns what a session of a service is if there is no sign of TLS. Where TLS begins
// at once, smtpd counts no STARTTLS, so that a session looks like one in cleartext if
// handshakes are not logged. Debian's master.cf names these services submissions and smtps.
func (t *tally) bare(service string) kind {
	label := service
	if label == "" && t.shape.renamed {
		label = t.shape.name
	}
	switch {
	case strings.HasSuffix(label, "submissions"), strings.HasSuffix(label, "smtps"):
		return unlogged
	case label == "" && !t.implicit, strings.HasSuffix(label, "submission"):
		return cleartext
	}
	return silent
}

// probes reports whether postseal's own handshakes come from an address: one of an
// interface, or that from which Linux talks to any loopback address.
func (t *tally) probes(addr []byte) bool {
	_, own := t.own[string(addr)]
	return own || string(addr) == "127.0.0.1" || string(addr) == "::1"
}

// isOwn reports whether an address is this machine's.
func (t *tally) isOwn(addr string) bool {
	return strings.HasPrefix(addr, "127.") || t.probes([]byte(addr))
}

// address returns what stands in the brackets of a peer.
func address(peer []byte) []byte {
	open, end := bytes.IndexByte(peer, '['), bytes.LastIndexByte(peer, ']')
	if open < 0 || end < open {
		return nil
	}
	return peer[open+1 : end]
}
