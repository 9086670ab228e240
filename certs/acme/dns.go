package acme

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/go-acme/lego/v4/challenge"

	"postseal/internal/host"
)

// DNSProvider puts a TXT record into the DNS and takes it out again. Both
// names are fully qualified, with a dot at the end. Calls for several records
// may come at once, and must end with their context.
type DNSProvider interface {
	// Present adds a record with the value; others of the name stay.
	Present(ctx context.Context, fqdn, value string) error
	// CleanUp removes the record with the value, if it is there.
	CleanUp(ctx context.Context, fqdn, value string) error
}

// Manual waits for a person. The record to make is told as an event of the
// phase Waiting, and as one of the phase Removing when it can go.
type Manual struct {
	// Done is read once for each record, when it has been made.
	Done <-chan struct{}
	// Removed is read once for each record, when it has been removed. If it is
	// nil, nothing waits for that.
	Removed <-chan struct{}
}

// Present implements DNSProvider.
func (m *Manual) Present(ctx context.Context, _, _ string) error { return await(ctx, m.Done) }

// CleanUp implements DNSProvider. A run that ends waits no longer; the record
// has been told.
func (m *Manual) CleanUp(ctx context.Context, _, _ string) error {
	if m.Removed != nil {
		_ = await(ctx, m.Removed)
	}
	return nil
}

func await(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Library is one of lego's own providers, made by package legodns. It does not
// know contexts: a call that does not end in time is left to itself.
type Library struct {
	// Code is its short name.
	Code string
	// Provider holds the secrets; it is never printed.
	Provider challenge.Provider
	// Secrets are kept out of its errors; nil if it has none.
	Secrets *Secrets

	mu sync.Mutex // a removal waits for what is still being made
}

// String names the provider, without what it knows.
func (l *Library) String() string { return "DNS provider " + l.Code }

// Format implements fmt.Formatter.
func (l *Library) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, l.String()) }

// MarshalJSON is the name.
func (l *Library) MarshalJSON() ([]byte, error) { return json.Marshal(l.Code) }

// errLibrary is the use of a Library without a challenge.
var errLibrary = errors.New("this provider only creates records for challenges")

// Present implements DNSProvider; it is not used.
func (*Library) Present(context.Context, string, string) error { return errLibrary }

// CleanUp implements DNSProvider; it is not used.
func (*Library) CleanUp(context.Context, string, string) error { return errLibrary }

// do makes or removes the record of a challenge. What has not begun when ctx
// ends is not begun; always begins it nevertheless, in its turn.
func (l *Library) do(ctx context.Context, always bool, call func(domain, token, keyAuth string) error, domain, token, keyAuth string) error {
	done := make(chan error, 1)
	go func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		defer func() {
			if r := recover(); r != nil {
				done <- fmt.Errorf("the library failed on %s", l.Code)
			}
		}()
		if ctx.Err() != nil && !always {
			done <- ctx.Err()
			return
		}
		done <- l.Secrets.Hide(call(domain, token, keyAuth))
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pace is how long a record of this provider may take to show, and how often it
// is looked for; 0 is nothing said.
func (l *Library) pace() (timeout, interval time.Duration) {
	if p, ok := l.Provider.(challenge.ProviderTimeout); ok {
		return p.Timeout()
	}
	return 0, 0
}

// Exec runs a program with "present" or "cleanup", the name and the value, so
// that programs made for lego's provider of that name fit. It is run without a
// shell, and with the environment of host.Environ: what it needs to know stands in
// files of its own, since a timer has no more. The value may begin with a dash.
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
	// Root runs it, so that nobody else may decide what it is.
	if err := host.Trusted(host.Local{}, e.Program); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, e.Program, verb, fqdn, value) //nolint:gosec // a person has named it
	cmd.Env = host.Environ()
	// With what it started: an update that comes late would put the record
	// back after it was taken away.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 500 * time.Millisecond
	var out excerpt
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("%.200s %s: %w: %s", e.Program, verb, err, out)
	}
	return nil
}

// excerpt keeps the beginning of what a program says.
type excerpt []byte

func (e *excerpt) Write(p []byte) (int, error) {
	*e = append(*e, p[:min(len(p), 300-len(*e))]...)
	return len(p), nil
}
