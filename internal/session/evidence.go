package session

import (
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
		if len(e.Live) == 0 {
			e.NotLive = "no listener of it takes mail from others"
		}
	} else {
		e.NotLive = "nobody shook hands with it"
	}
	switch {
	case !g.Send:
		e.NotSent = "no message was rehearsed"
	case !s.Facts.Root:
		e.NotSent = "only root can rehearse"
	case len(s.Facts.Transports) == 0:
		e.NotSent = "nothing here sends mail to others"
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
	e.Judge()
	return e, nil
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
			l.Seen, l.Err = probe.Enumerate(ctx, target, probe.Options{Dial: s.Machine.Dial, Gate: gate, Total: liveTime})
		}()
	}
	return out
}
