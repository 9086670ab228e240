package audit

import (
	"slices"

	"postseal/internal/detect"
	"postseal/internal/domain"
	"postseal/internal/probe"
	"postseal/internal/rehearse"
)

// Evidence is what is judged: the facts, and what was seen beyond them.
type Evidence struct {
	*detect.Facts
	// Live is what the listeners showed; empty if nobody shook hands with them,
	// and NotLive says why.
	Live    []Live
	NotLive string
	// Domains are those of this server's own domains whose mail comes here, with
	// what they publish.
	Domains []*domain.Domain
	// Sent is what became of the messages of a rehearsal; nil if there was none,
	// and NotSent says why.
	Sent    *rehearse.Report
	NotSent string
}

// Live is what one listener showed.
type Live struct {
	Listener detect.Listener
	// Seen is nil if nothing could be seen; Err is why.
	Seen *probe.Enumeration
	Err  error
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

// Judge sets the certificates that were seen on port 25 against what the domains
// promise of this server.
func (e *Evidence) Judge() {
	var chains [][][]byte
	for _, l := range e.Live {
		if l.Seen != nil && l.Listener.Kind == detect.Relay {
			chains = append(chains, l.Seen.Chains()...)
		}
	}
	for _, d := range e.Domains {
		for i := range d.MX {
			if slices.Contains(e.NeededNames(), d.MX[i].Name) {
				d.MX[i].Judge(chains, domain.Options{}, e.Now)
			}
		}
	}
}
