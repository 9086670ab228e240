package acme

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"time"

	"github.com/go-acme/lego/v4/challenge/dns01"
)

// DNSProvider puts a TXT record into the DNS and takes it out again. Both
// names are fully qualified, with a dot at the end.
type DNSProvider interface {
	// Present adds a record with the value; others of the name stay.
	Present(ctx context.Context, fqdn, value string) error
	// CleanUp removes the record with the value, if it is there.
	CleanUp(ctx context.Context, fqdn, value string) error
}

// changeTime bounds one change of the DNS.
const changeTime = time.Minute

// recorder hands the library's wishes to a DNSProvider.
type recorder struct {
	DNS
	run *run

	mu   sync.Mutex
	made map[string]dns01.ChallengeInfo // by key authorisation
}

// Present implements challenge.Provider.
func (r *recorder) Present(domain, _, keyAuth string) error {
	i := dns01.GetChallengeInfo(domain, keyAuth) // asks the resolvers for aliases
	r.mu.Lock()
	r.made[keyAuth] = i
	r.mu.Unlock()
	ctx := r.run.ctx
	if _, byHand := r.Provider.(*Manual); !byHand {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, changeTime)
		defer cancel()
	} else {
		r.run.event(Waiting, domain, fmt.Sprintf("%s 60 IN TXT %q", i.EffectiveFQDN, i.Value), nil)
	}
	return r.Provider.Present(ctx, i.EffectiveFQDN, i.Value)
}

// CleanUp implements challenge.Provider. It is done even if the run was
// cancelled.
func (r *recorder) CleanUp(_, _, keyAuth string) error {
	r.mu.Lock()
	i, ok := r.made[keyAuth]
	delete(r.made, keyAuth)
	r.mu.Unlock()
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.run.ctx), changeTime)
	defer cancel()
	return r.Provider.CleanUp(ctx, i.EffectiveFQDN, i.Value)
}

// Manual waits for a person. The record to make is told as an event of the
// phase Waiting.
type Manual struct {
	// Done is read once for each record, when it has been made.
	Done <-chan struct{}
}

// Present implements DNSProvider.
func (m *Manual) Present(ctx context.Context, _, _ string) error {
	select {
	case <-m.Done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// CleanUp implements DNSProvider. Whoever made the record removes it; nothing
// waits for that.
func (m *Manual) CleanUp(context.Context, string, string) error { return nil }

// Exec runs a program with "present" or "cleanup", the name and the value, as
// lego's provider of that name does. It is run without a shell.
type Exec struct{ Program string }

// Present implements DNSProvider.
func (e Exec) Present(ctx context.Context, fqdn, value string) error {
	return e.run(ctx, "present", fqdn, value)
}

// CleanUp implements DNSProvider.
func (e Exec) CleanUp(ctx context.Context, fqdn, value string) error {
	return e.run(ctx, "cleanup", fqdn, value)
}

func (e Exec) run(ctx context.Context, verb, fqdn, value string) error {
	// A record's value may start with a dash; options of the program end here.
	cmd := exec.CommandContext(ctx, e.Program, verb, "--", fqdn, value)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("%s %s: %w: %.300s", e.Program, verb, err, out)
	}
	return err
}
