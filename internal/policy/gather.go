package policy

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"postseal/internal/dane"
	"postseal/internal/domain"
	"postseal/internal/host"
	"postseal/internal/probe"
	"postseal/internal/resolve"
)

const (
	// maxMX bounds how many servers of a domain are looked at: those that mail goes to
	// first. maxTLSA and maxPatterns bound what is kept of what a domain publishes.
	maxMX       = 10
	maxTLSA     = 50
	maxPatterns = 100
	// shortest and longest bound for how long an answer counts as fresh, whatever its
	// TTL. A lookup that failed is repeated after shortest, then after twice that time.
	shortest = time.Hour
	longest  = 24 * time.Hour
	// refetch is how long a policy of MTA-STS counts as fresh if its id stays the same.
	refetch = 24 * time.Hour
	// between is the time between two handshakes with a server, and perGroup how many
	// servers at one address are looked at in one run.
	between  = 20 * time.Hour
	perGroup = 50
	// again is the time to the next handshake after one that went worse than before.
	again = 6 * time.Hour
)

// Gatherer looks things up.
type Gatherer struct {
	Machine  host.Reader
	Resolver resolve.Resolver
	// Validates reports whether the resolver validates DNSSEC and its answers cannot be
	// changed on the way; Doubt says why not.
	Validates bool
	Doubt     string
	// Roots are the CAs that Postfix trusts when it sends; nil if it trusts none. WebRoots
	// are those for HTTPS; nil stands for those of the system.
	Roots, WebRoots *x509.CertPool
	// Port is where mail servers listen, "25" but in tests.
	Port string
	// Parallel bounds how many domains, and how many groups of servers, are looked at at
	// the same time.
	Parallel int
	// NoHandshakes leaves the servers alone.
	NoHandshakes bool
	// Now is the clock.
	Now func() time.Time
}

// Gather brings the evidence for some domains up to date: only what is due is looked up.
// If ctx ends, what was found until then stays. looked is how many domains were due.
func (g Gatherer) Gather(ctx context.Context, st *State, names []string) (looked int) {
	var due []*Domain
	for _, name := range names {
		if d := st.Domains[name]; d != nil && !g.Now().Before(d.Next) {
			due = append(due, d)
		}
	}
	each(ctx, g.Parallel, due, func(d *Domain) { g.domain(ctx, d) })
	var servers []*Server
	wanted := map[string]bool{}
	for _, name := range names {
		if d := st.Domains[name]; d != nil {
			for _, mx := range d.MX {
				if wanted[mx] {
					continue
				}
				wanted[mx] = true
				if st.Servers[mx] == nil {
					st.Servers[mx] = &Server{Name: mx, DANE: dane.Unknown}
				}
				servers = append(servers, st.Servers[mx])
			}
		}
	}
	each(ctx, g.Parallel, servers, func(s *Server) { g.server(ctx, s) })
	if !g.NoHandshakes {
		each(ctx, g.Parallel, grouped(servers), func(group []*Server) {
			for i, s := range group {
				if i < perGroup && ctx.Err() == nil {
					g.handshake(ctx, s)
				}
			}
		})
	}
	st.prune()
	return len(due)
}

// each runs do for every item, some of them at a time, until ctx ends.
func each[T any](ctx context.Context, parallel int, items []T, do func(T)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, max(1, parallel))
	for _, x := range items {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			do(x)
		})
	}
	wg.Wait()
}

// short bounds a text that another server may have written.
func short(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), 300)], "")
}

// grouped puts servers at the same address together: they are asked one after the other.
func grouped(servers []*Server) (out [][]*Server) {
	at := map[string]int{}
	for _, s := range servers {
		key := s.Name
		if len(s.Addresses) > 0 {
			key = s.Addresses[0]
		}
		if i, ok := at[key]; ok {
			out[i] = append(out[i], s)
			continue
		}
		at[key] = len(out)
		out = append(out, []*Server{s})
	}
	return out
}

// fresh is how long an answer is used before it is looked up again.
func fresh(ttl time.Duration) time.Duration { return min(max(ttl, shortest), longest) }

// backoff is how long to wait after the nth failure in a row.
func backoff(n int) time.Duration { return min(shortest<<min(max(n-1, 0), 5), longest) }

// domain looks a domain up: its servers, and what it publishes of MTA-STS.
func (g Gatherer) domain(ctx context.Context, d *Domain) {
	now := g.Now()
	a := g.Resolver.Ask(ctx, d.Name, resolve.MX)
	if ctx.Err() != nil {
		return // what was cut off says nothing
	}
	d.Tried = now
	switch a := a.(type) {
	case resolve.Unknown:
		d.Failures++
		d.Why, d.Next = short(a.Text), now.Add(backoff(d.Failures))
		return
	case resolve.Absent:
		d.Next = now.Add(shortest)
		d.MX, d.Silent = nil, false
		if !a.NoName {
			d.MX = []string{d.Name}
		}
	case resolve.Records:
		d.Next = now.Add(fresh(a.TTL))
		d.MX, d.Silent = servers(a.Values)
	}
	if g.Validates { // else whether they are signed is not known
		d.Signed = resolve.Secure(a)
	}
	if d.First.IsZero() {
		d.First = now
	}
	d.Last, d.Failures, d.Why = now, 0, ""
	if !d.Silent {
		g.sts(ctx, d)
	}
}

// servers reads MX records. Names that no mail server can have are left out.
func servers(values []string) (names []string, silent bool) {
	type server struct {
		preference int
		name       string
	}
	var all []server
	for _, v := range values {
		preference, target, _ := strings.Cut(v, " ")
		n, err := strconv.Atoi(preference)
		name, ok := Name(target)
		if name == "" && err == nil {
			silent = true
		}
		if ok && err == nil {
			all = append(all, server{n, name})
		}
	}
	slices.SortFunc(all, func(a, b server) int {
		if a.preference != b.preference {
			return a.preference - b.preference
		}
		return strings.Compare(a.name, b.name)
	})
	for _, r := range all[:min(len(all), maxMX)] {
		if !slices.Contains(names, r.name) {
			names = append(names, r.name)
		}
	}
	return names, silent && len(all) == 0
}

// sts looks up what a domain publishes of MTA-STS. Only a policy that was fetched takes
// the place of the one before (RFC 8461, sections 3.3 and 5.1).
func (g Gatherer) sts(ctx context.Context, d *Domain) {
	o := domain.Options{Roots: g.WebRoots}
	if len(g.Resolver.Servers) > 0 {
		o.Resolver = g.Resolver.Servers[0]
	}
	now := g.Now()
	found := domain.STSRecord(ctx, g.Machine, d.Name, o)
	old := d.STS
	if found.ID == "" && found.Problem == "" && (old == nil || !now.Before(old.Expires())) {
		d.STS = nil // nothing is published, and nothing that was is in force
		return
	}
	if old != nil && found.ID == old.ID && now.Sub(old.Fetched) < min(refetch, time.Duration(old.MaxAge)*time.Second/2) {
		old.Problem = ""
		return
	}
	found.Fetch(ctx, g.Machine, d.Name, o)
	if ctx.Err() != nil {
		return
	}
	if p := found.Policy; p != nil {
		d.STS = &STS{ID: found.ID, Mode: p.Mode, MX: p.MX[:min(len(p.MX), maxPatterns)], MaxAge: p.MaxAge, Fetched: now}
		return
	}
	if old == nil {
		d.STS = &STS{MX: []string{}}
	} else {
		kept := *old
		d.STS = &kept
	}
	if d.STS.Problem = found.Problem; found.Problem == "" {
		d.STS.Problem = "the record is gone"
	}
	d.STS.Problem = short(d.STS.Problem)
}

// server looks up the addresses and the TLSA records of a server.
func (g Gatherer) server(ctx context.Context, s *Server) {
	now := g.Now()
	if now.Before(s.Next) {
		return
	}
	h := dane.Resolve(ctx, g.Resolver, s.Name, g.Port)
	if ctx.Err() != nil {
		return
	}
	h = h.Doubted(g.Validates, g.Doubt)
	if len(h.Addresses) > 0 {
		s.Addresses = h.Addresses[:min(len(h.Addresses), 4)]
	}
	if h.State == dane.Unknown {
		s.Failures++
		s.Why, s.Next = short(h.Why), now.Add(backoff(s.Failures))
		if s.DANE == "" {
			s.DANE = dane.Unknown
		}
		return
	}
	s.DANE, s.Base, s.TLSA, s.Why, s.Failures = h.State, h.Base, nil, short(h.Why), 0
	for _, r := range h.Set[:min(len(h.Set), maxTLSA)] {
		s.TLSA = append(s.TLSA, r.String())
	}
	s.Last, s.Next = now, now.Add(fresh(h.TTL))
}

// handshake shakes hands with a server, at most once in a while, and counts what it
// presented. A server that cannot be reached is no session: mail would wait at any level.
func (g Gatherer) handshake(ctx context.Context, s *Server) {
	now := g.Now()
	if now.Before(s.NextLook) || len(s.Addresses) == 0 {
		return
	}
	there := domain.MX{Name: s.Name, Addresses: s.Addresses}
	r, err := probe.Handshake(ctx, probe.Target{Addr: s.Name + ":" + g.Port}, probe.Options{ServerName: s.Name, Dial: there.Dial(g.Machine), Timeout: 20 * time.Second})
	if ctx.Err() != nil {
		return
	}
	s.Looked = now
	var failed *probe.Error
	if errors.As(err, &failed) && slices.Contains([]probe.Stage{probe.Connecting, probe.Greeting, probe.EHLO}, failed.Stage) {
		s.Unreached++
		s.Why, s.NextLook = short(err.Error()), now.Add(backoff(s.Unreached))
		return
	}
	s.Unreached, s.NextLook = 0, now.Add(between)
	x := Session{When: now, TLS: len(r.Certs) > 0 && (err == nil || failed != nil && failed.Stage == probe.Inside)}
	if err != nil {
		x.Why = short(err.Error())
	}
	if x.TLS {
		x = g.judge(s, x, r.Certs)
	}
	if n := len(s.Sessions); n > 0 && (s.Sessions[n-1].Valid && !x.Valid || s.Sessions[n-1].TLS && !x.TLS) {
		s.NextLook = now.Add(again)
	}
	s.note(x)
}

// judge sets a chain against the CAs and the TLSA records.
func (g Gatherer) judge(s *Server, x Session, chain []*x509.Certificate) Session {
	sum := sha256.Sum256(chain[0].Raw)
	c := Certificate{SHA256: hex.EncodeToString(sum[:]), NotAfter: chain[0].NotAfter, First: x.When, Last: x.When}
	if s.Certificate != nil && s.Certificate.SHA256 == c.SHA256 {
		c.First = s.Certificate.First
	}
	s.Certificate = &c
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	if g.Roots == nil {
		x.Why = "no CA certificates are known here"
	} else {
		_, err := chain[0].Verify(x509.VerifyOptions{DNSName: s.Name, Roots: g.Roots, Intermediates: between, CurrentTime: x.When})
		if x.Valid = err == nil; err != nil {
			x.Why = short(strings.TrimPrefix(err.Error(), "x509: "))
		}
	}
	if s.DANE == dane.Secure {
		h := dane.Host{Name: s.Name, Base: s.Base, State: dane.Secure, Set: dane.Parse(s.TLSA)}
		v, _ := h.Judge(chain, nil, x.When)
		x.Matched = v == dane.Verified
	}
	return x
}
