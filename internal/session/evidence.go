package session

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"postseal/internal/audit"
	"postseal/internal/detect"
	"postseal/internal/domain"
	"postseal/internal/probe"
	"postseal/internal/rehearse"
)

// Gather says what Evidence may do beyond looking at files.
type Gather struct {
	// Live shakes hands with this server's own listeners, and Send rehearses
	// sending, which needs root.
	Live, Send bool
	// Events is told of each message of the rehearsal; it may be nil.
	Events func(rehearse.Trial)
}

// liveTime bounds what is waited for one listener.
const liveTime = 30 * time.Second

// Evidence is what there is to judge this server by. What could not be seen is
// no error: the evidence says why.
func (s *Session) Evidence(ctx context.Context, g Gather) (*audit.Evidence, error) {
	e := &audit.Evidence{Facts: s.Facts}
	var wg sync.WaitGroup
	if g.Live {
		wg.Go(func() { e.Domains = s.domains(ctx) })
		e.Live = s.live(ctx, &wg)
		e.Running = s.running(ctx)
		if len(e.Live) == 0 {
			e.NotLive = "none of its listeners accepts mail from other servers"
		}
	} else {
		e.NotLive = "no handshake was made with it"
	}
	switch {
	case !g.Send:
		e.NotSent = "no message was rehearsed"
	case !s.Facts.Root:
		e.NotSent = "only root can rehearse"
	case len(s.Facts.Transports) == 0:
		e.NotSent = "this server sends no mail to other servers"
	default:
		wg.Add(1)
		go func() {
			defer wg.Done()
			r, err := rehearse.Send(ctx, s.Candidate(nil, nil), nil, rehearse.Destination{}, rehearse.Options{Events: g.Events, Guard: s.Guard})
			if err != nil {
				e.NotSent = "it could not be rehearsed: " + err.Error()
				return
			}
			e.Sent = r
		}()
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	judge(ctx, e)
	return e, context.Cause(ctx)
}

// judge sets the certificates that this server shows against what its domains
// promise of it.
func judge(ctx context.Context, e *audit.Evidence) {
	for _, d := range e.Domains {
		for i := range d.MX {
			if x := &d.MX[i]; slices.Contains(e.NeededNames(), x.Name) {
				x.Judge(ctx, shown(e, x.Name), domain.Options{}, e.Now)
			}
		}
	}
}

// shown are the chains for senders who name the host, as those with DANE and
// MTA-STS do (RFC 7672, section 8.1; RFC 8461, section 4.1): the usual ones, or
// that which is for the name alone.
func shown(e *audit.Evidence, name string) (out [][][]byte) {
	for _, l := range e.Live {
		if l.Seen == nil || l.Listener.Kind != detect.Relay || !e.Exchanger(l.Listener) {
			continue
		}
		chains := l.Seen.Chains()
		for _, n := range l.Named {
			if n.Name != name || len(n.Certs) == 0 || slices.ContainsFunc(chains, func(c [][]byte) bool { return bytes.Equal(c[0], n.Certs[0].Raw) }) {
				continue
			}
			var own [][]byte
			for _, c := range n.Certs {
				own = append(own, c.Raw)
			}
			chains = [][][]byte{own}
		}
		out = append(out, chains...)
	}
	return out
}

// running asks the master itself (postfix(1)), which only root may do for sure.
func (s *Session) running(ctx context.Context) detect.Tri {
	o, err := s.Machine.Run(ctx, "postfix", "-c", s.ConfigDir, "status")
	switch {
	case err != nil || !s.Facts.Root:
		return detect.Unknown
	case o.Code == 0:
		return detect.Yes
	}
	return detect.No
}

const (
	// maxDomains is for how many domains of this server it is asked what they
	// publish, and domainTime how long.
	maxDomains = 10
	domainTime = 20 * time.Second
)

// domains asks what this server's own domains publish. Those that do not answer,
// or whose mail goes elsewhere, are left out.
func (s *Session) domains(ctx context.Context) []*domain.Domain {
	names, _ := s.Facts.Domains()
	if len(s.Facts.Resolver.Servers) == 0 || s.Facts.Role == detect.Sender {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, domainTime)
	defer cancel()
	names = names[:min(len(names), maxDomains)]
	found := make([]*domain.Domain, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			d, err := domain.Look(ctx, s.Machine, name, domain.Options{Resolver: s.Facts.Resolver.Servers[0]})
			if err == nil && slices.ContainsFunc(d.MX, func(x domain.MX) bool { return slices.Contains(s.Facts.NeededNames(), x.Name) }) {
				found[i] = d
			}
		})
	}
	wg.Wait()
	return slices.DeleteFunc(found, func(d *domain.Domain) bool { return d == nil })
}

// live shakes hands with the listeners. Several at one address are one.
func (s *Session) live(ctx context.Context, wg *sync.WaitGroup) []audit.Live {
	var out []audit.Live
	for _, l := range s.Facts.Receives(detect.Relay, detect.Submission, detect.Submissions) {
		if l.Addr != "" {
			out = append(out, audit.Live{Listener: l})
		}
	}
	gate := probe.NewGate() // they are all of one host
	for i := range out {
		wg.Add(1)
		go func() {
			defer wg.Done()
			l := &out[i]
			target := probe.Target{Addr: l.Listener.Addr, Implicit: l.Listener.Wrapper, Proxy: l.Listener.Proxy}
			// Who greets late may look names up: a client waits for minutes (RFC
			// 5321, section 4.5.3.2).
			if l.Seen, l.Err = probe.Enumerate(ctx, target, probe.Options{Dial: s.Machine.Dial, Timeout: patience, Gate: gate, Total: liveTime}); l.Seen != nil {
				ctx, cancel := context.WithTimeout(ctx, liveTime)
				defer cancel()
				l.Named = s.named(ctx, target)
			}
		}()
	}
	return out
}

// patience is how long one conversation may take.
var patience = 20 * time.Second

// stranger is a name that no server has (RFC 2606).
const stranger = "mail.example.invalid"

// maxNamed bounds how many of the names of a server are asked for.
const maxNamed = 4

// named shakes hands as clients do that name the host they want (SNI): by the
// names that others use, and by one that nobody has. Without a name the same
// client must come through, or it tells nothing.
func (s *Session) named(ctx context.Context, t probe.Target) (out []audit.Named) {
	if _, err := probe.Handshake(ctx, t, probe.Options{Dial: s.Machine.Dial, Timeout: patience}); err != nil {
		return nil
	}
	for i, n := range s.Facts.Needed {
		if i == maxNamed {
			break
		}
		out = append(out, audit.Named{Name: n.Name, Ours: true})
	}
	out = append(out, audit.Named{Name: stranger})
	for i := range out {
		r, err := probe.Handshake(ctx, t, probe.Options{Dial: s.Machine.Dial, ServerName: out[i].Name, Timeout: patience})
		out[i].Certs, out[i].Err = r.Certs, err
	}
	return out
}
