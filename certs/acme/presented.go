package acme

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"

	"github.com/go-acme/lego/v4/challenge"

	"postseal/internal/hint"
)

// presented keeps track of what a provider has put in place, so that it is
// taken away whatever happens, and once.
type presented struct {
	run      *run
	provider challenge.Provider

	mu     sync.Mutex
	closed bool
	proofs []*proof
}

// proof is one answer to a challenge.
type proof struct {
	domain, token, keyAuth string
	state                  proofState
	failed                 bool // it was not put in place, or not whole; what was only left alone may still come
}

type proofState int

const (
	coming proofState = iota // Present has not returned
	placed
	going // CleanUp has not returned, or it failed
	gone
)

// move changes the state of a proof if it was from, and says whether it was.
func (p *presented) move(x *proof, from, to proofState) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x.state != from {
		return false
	}
	x.state = to
	return true
}

// Present implements challenge.Provider.
func (p *presented) Present(domain, token, keyAuth string) error {
	x := &proof{domain: domain, token: token, keyAuth: keyAuth}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return p.run.ctx.Err()
	}
	p.proofs = append(p.proofs, x)
	p.mu.Unlock()
	err := p.provider.Present(domain, token, keyAuth)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = hint.Wrap(err, "another program uses the port (ss -ltnp shows it): stop it briefly, use its web root, or validate by DNS")
	}
	p.mu.Lock()
	x.state = placed // what failed may be there in part
	x.failed = err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
	closed := p.closed
	p.mu.Unlock()
	if closed { // meanwhile the run was cancelled, and everything else taken away
		return errors.Join(p.run.ctx.Err(), p.remove(x))
	}
	if p.run.ctx.Err() == nil {
		if err != nil {
			p.run.fail(domain, err)
		}
		p.run.event(Presenting, domain, "", err)
	}
	if err == nil {
		p.run.event(Validating, domain, "", nil)
	}
	return err
}

// CleanUp implements challenge.Provider.
func (p *presented) CleanUp(domain, token, keyAuth string) error {
	p.mu.Lock()
	var found *proof
	for _, x := range p.proofs {
		if x.domain == domain && x.token == token && x.keyAuth == keyAuth && x.state == placed {
			found = x
		}
	}
	p.mu.Unlock()
	if found == nil {
		return nil // done already, when the run was cancelled
	}
	return p.remove(found)
}

// remove takes a proof away, if nobody else does so already.
func (p *presented) remove(x *proof) error {
	if !p.move(x, placed, going) {
		return nil
	}
	err := p.provider.CleanUp(x.domain, x.token, x.keyAuth)
	if err == nil {
		p.move(x, going, gone)
	}
	p.run.event(CleaningUp, x.domain, "", err)
	return err
}

// cleanUp takes away what is still in place, and lets nothing more be put in
// place. All at once: one server that hangs must not keep the others waiting.
func (p *presented) cleanUp() {
	p.mu.Lock()
	p.closed = true
	all := slices.Clone(p.proofs)
	p.mu.Unlock()
	var wait sync.WaitGroup
	for _, x := range all {
		wait.Go(func() {
			defer func() {
				if e := recover(); e != nil {
					p.run.event(CleaningUp, x.domain, "", fmt.Errorf("the ACME library failed: %.300s", fmt.Sprint(e)))
				}
			}()
			_ = p.remove(x) // told as an event, and by left
		})
	}
	wait.Wait()
}

// left are the names of which something is still in place.
func (p *presented) left() (out []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.proofs {
		if x.state != gone && !x.failed {
			out = append(out, x.domain)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
