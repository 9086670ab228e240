package acme

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-acme/lego/v4/challenge"
	"github.com/go-acme/lego/v4/challenge/dns01"
	"github.com/go-acme/lego/v4/lego"

	"postseal/internal/hint"
)

// DNS proves by a TXT record (RFC 8555, section 8.4).
type DNS struct {
	Provider DNSProvider
	// Resolvers are asked for zones, aliases and whether the record is published
	// ("127.0.0.1:53"); they must not be empty.
	Resolvers []string
	// ResolversOnly does not ask the servers of the zone themselves, for
	// networks from which those cannot be reached.
	ResolversOnly bool
	// Timeout is how long a record may take to show; 0 is five minutes.
	// Interval is how often it is looked for; 0 is three seconds.
	Timeout, Interval time.Duration
}

// Kind implements Solver.
func (DNS) Kind() string { return string(challenge.DNS01) }

func (s DNS) byHand() bool {
	_, ok := s.Provider.(*Manual)
	return ok
}

func (s DNS) install(l *lego.Client, p *presented) (func(), error) {
	if s.Provider == nil {
		return nil, fmt.Errorf("nothing creates the DNS record")
	}
	if len(s.Resolvers) == 0 {
		return nil, hint.New("no resolver is configured", "add one to /etc/resolv.conf")
	}
	library, _ := s.Provider.(*Library)
	if library != nil && s.Timeout == 0 {
		s.Timeout, s.Interval = library.pace()
	}
	if s.Timeout == 0 {
		s.Timeout = 5 * time.Minute
	}
	if s.Interval == 0 {
		s.Interval = 3 * time.Second
	}
	select { // in turn, since the library's resolvers are those of the process
	case resolvers <- struct{}{}:
	case <-p.run.ctx.Done():
		return nil, p.run.ctx.Err()
	}
	done := func() { <-resolvers }
	dns01.ClearFqdnCache() // it was filled from other resolvers, perhaps
	p.provider = &recorder{DNS: s, run: p.run, made: map[string]dns01.ChallengeInfo{}}
	options := []dns01.ChallengeOption{dns01.AddRecursiveNameservers(s.Resolvers), dns01.WrapPreCheck(s.watch(p.run))}
	if s.ResolversOnly {
		options = append(options, dns01.DisableAuthoritativeNssPropagationRequirement(), dns01.RecursiveNSsPropagationRequirement())
	}
	var provider challenge.Provider = timed{p, s.Timeout, s.Interval}
	if library != nil {
		if one, ok := library.Provider.(sequential); ok { // it can have one record at a time
			provider = inTurn{timed{p, s.Timeout, s.Interval}, one}
		}
	}
	if err := l.Challenge.SetDNS01Provider(provider, options...); err != nil {
		done()
		return nil, err
	}
	return done, nil
}

// watch tells of each look for a record, and ends the wait with the run.
func (s DNS) watch(r *run) dns01.WrapPreCheckFunc {
	since := map[string]time.Time{} // the library looks for one record after the other
	return func(domain, fqdn, value string, check dns01.PreCheckFunc) (bool, error) {
		if err := r.ctx.Err(); err != nil {
			return true, err
		}
		if since[value].IsZero() {
			since[value] = time.Now()
		}
		ok, err := check(fqdn, value)
		if ok && err == nil {
			r.event(WaitingDNS, domain, "the record is published", nil)
			return true, nil
		}
		text := "the record is not published yet"
		if err != nil {
			text += fmt.Sprintf(": %.300s", plain(err.Error()))
		}
		r.event(WaitingDNS, domain, text, nil)
		if time.Since(since[value])+s.Interval < s.Timeout {
			return false, err
		}
		err = hint.New(fmt.Sprintf("%.255s: after %s %s", fqdn, s.Timeout, text), "check that every name server of the zone has the record, and that this host can query them on port 53")
		if r.ctx.Err() == nil {
			r.fail(domain, err)
		}
		return true, err
	}
}

// timed tells the library how long to wait for a record. watch gives up before
// that, with better words.
type timed struct {
	*presented
	timeout, interval time.Duration
}

// Timeout implements challenge.ProviderTimeout.
func (t timed) Timeout() (timeout, interval time.Duration) {
	return t.timeout + time.Minute, t.interval
}

// sequential is what a provider of the library says that cannot have two
// records at once.
type sequential interface{ Sequential() time.Duration }

// inTurn is timed for such a provider.
type inTurn struct {
	timed
	sequential
}

// changeTime bounds one change of the DNS; lastTime the removal of a record
// after the run was cancelled.
const (
	changeTime = time.Minute
	lastTime   = 2500 * time.Millisecond
)

// recorder hands the library's wishes to a DNSProvider.
type recorder struct {
	DNS
	run *run

	mu   sync.Mutex
	made map[string]dns01.ChallengeInfo // by key authorisation
}

// line is a record as a zone file has it.
func line(i dns01.ChallengeInfo) string {
	return fmt.Sprintf("%s 60 IN TXT %q", i.EffectiveFQDN, i.Value)
}

// Present implements challenge.Provider.
func (r *recorder) Present(domain, token, keyAuth string) error {
	i := dns01.GetChallengeInfo(domain, keyAuth) // asks the resolvers for aliases
	if err := r.run.ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	r.made[keyAuth] = i
	r.mu.Unlock()
	ctx := r.run.ctx
	if r.byHand() {
		r.run.event(Waiting, domain, line(i), nil)
	} else {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, changeTime)
		defer cancel()
	}
	if l, ok := r.Provider.(*Library); ok {
		return l.do(ctx, false, l.Provider.Present, domain, token, keyAuth)
	}
	return r.Provider.Present(ctx, i.EffectiveFQDN, i.Value)
}

// CleanUp implements challenge.Provider. It is done even if the run was
// cancelled, but not for long then.
func (r *recorder) CleanUp(domain, token, keyAuth string) error {
	r.mu.Lock()
	i, ok := r.made[keyAuth]
	delete(r.made, keyAuth)
	r.mu.Unlock()
	if !ok {
		return nil
	}
	ctx := r.run.ctx
	if r.byHand() { // a person is told, and not waited for any more after a cancel
		r.run.event(Removing, domain, line(i), nil)
	} else {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), changeTime)
		defer cancel()
		defer context.AfterFunc(r.run.ctx, func() { time.AfterFunc(lastTime, cancel) })()
	}
	remove := func() error { return r.Provider.CleanUp(ctx, i.EffectiveFQDN, i.Value) }
	if l, ok := r.Provider.(*Library); ok {
		// What is still being made must not stay, even if nobody waits any more.
		remove = func() error { return l.do(ctx, true, l.Provider.CleanUp, domain, token, keyAuth) }
	}
	if err := remove(); err != nil {
		return fmt.Errorf("removing %s: %w", strings.TrimSuffix(i.EffectiveFQDN, "."), err)
	}
	return nil
}
