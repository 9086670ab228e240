package audit

import (
	"crypto/x509"
	"errors"
	"net/textproto"
	"slices"
	"syscall"

	"postseal/internal/detect"
	"postseal/internal/domain"
	"postseal/internal/posture"
	"postseal/internal/probe"
	"postseal/internal/rehearse"
)

// Evidence is what is judged: the facts, and what was seen beyond them.
type Evidence struct {
	*detect.Facts
	// Live is what the listeners showed; empty if there was no handshake with them,
	// and NotLive says why.
	Live    []Live
	NotLive string
	// Running says whether the master of this instance runs, if that is known.
	Running detect.Tri
	// Domains are those of this server's own domains whose mail comes here, with
	// what they publish.
	Domains []*domain.Domain
	// Earlier are domains as an older card saw them; empty without one.
	Earlier []*domain.Domain
	// Sent is what became of the messages of a rehearsal; nil if there was none,
	// and NotSent says why.
	Sent    *rehearse.Report
	NotSent string

	posture *posture.Posture
}

// Posture returns what mail meets on this server as it is configured now.
func (e *Evidence) Posture() posture.Posture {
	if e.posture == nil {
		p := posture.Of(e.Facts, e.Config, nil)
		e.posture = &p
	}
	return *e.posture
}

// Live is what one listener showed.
type Live struct {
	Listener detect.Listener
	// Seen is nil if nothing could be seen; Err is why.
	Seen *probe.Enumeration
	Err  error
	// Named are handshakes in which a host was named (SNI, RFC 6066).
	Named []Named
}

// Named is a handshake in which a client named a host.
type Named struct {
	Name string
	// Ours says that it is one of the names that others use for this server.
	Ours bool
	// Certs is the chain that was shown; empty if none was, and Err is why.
	Certs []*x509.Certificate
	Err   error
}

// stage is how far a conversation with a listener came; empty if all is well.
func (l Live) stage() probe.Stage {
	var at *probe.Error
	if errors.As(l.Err, &at) {
		return at.Stage
	}
	return ""
}

// mute reports whether a listener accepted a connection and did not speak SMTP. One that
// refuses with a reply is not mute.
func mute(l Live) bool {
	var words *textproto.Error
	return (l.stage() == probe.Greeting || l.stage() == probe.EHLO) && !errors.As(l.Err, &words)
}

// closed reports whether nothing listens there.
func closed(l Live) bool {
	return l.stage() == probe.Connecting && errors.Is(l.Err, syscall.ECONNREFUSED)
}

// whole reports whether all of a listener's TLS was seen: otherwise, what was not seen
// may still be there.
func (l Live) whole() bool { return l.Seen != nil && !l.Seen.Incomplete }

// running reports whether Postfix runs here: its master says so, or one of its
// listeners accepted a connection.
func (e *Evidence) running() bool {
	return e.Running == detect.Yes || slices.ContainsFunc(e.Live, func(l Live) bool { return l.Seen != nil || l.stage() != "" && l.stage() != probe.Connecting })
}

// port is the listener as the rules call it.
func (l Live) port() string { return l.Listener.Service.ID() }

// suites goes through what the listener takes.
func (l Live) suites(yield func(version string, s probe.Accepted) bool) {
	if l.Seen == nil {
		return
	}
	for _, v := range l.Seen.Versions {
		for _, s := range v.Suites {
			if !yield(v.Name, s) {
				return
			}
		}
	}
}
