package main

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"postseal/cmd/cli"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/lineage"
	"postseal/internal/publish"
	"postseal/internal/session"
)

// TestOneAtATime: while certificates are ordered, the timer leaves them alone:
// it would write back what it read before.
func TestOneAtATime(t *testing.T) {
	m := lab.Machine(t, "3.7.11", map[string]string{"main.cf": "myhostname = mx.example.org\n", "master.cf": "smtp inet n - n - - smtpd\n"})
	a := &app{Run: &cli.Run{Ctx: context.Background(), Machine: &host.Recorder{Machine: m}, Out: &bytes.Buffer{}, Err: &bytes.Buffer{}}, settings: session.Settings{ConfigDir: "/etc/postfix"}}
	release, err := lineage.Store{M: m, StateDir: session.DefaultStateDir}.Lock()
	if err != nil {
		t.Fatal(err)
	}
	runs := map[string]func() error{
		"renew":     func() error { return a.certRenew(nil, false, nil) },
		"roll over": func() error { return a.certRollOver(nil, false, nil, publish.Wait) },
	}
	for name, run := range runs {
		if err := run(); !errors.Is(err, host.ErrLocked) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	for name, run := range runs {
		if err := run(); err != nil {
			t.Errorf("%s, afterwards: %v", name, err)
		}
	}
}

// TestRollOverRisks: a risk that there is not is refused, and nothing is done.
func TestRollOverRisks(t *testing.T) {
	m := lab.Machine(t, "3.7.11", map[string]string{"main.cf": "myhostname = mx.example.org\n", "master.cf": "smtp inet n - n - - smtpd\n"})
	a := &app{Run: &cli.Run{Ctx: context.Background(), Machine: &host.Recorder{Machine: m}, Out: &bytes.Buffer{}, Err: &bytes.Buffer{}}, settings: session.Settings{ConfigDir: "/etc/postfix"}}
	for risk, want := range map[string]int{lineage.RiskDANEGap: cli.Done, "dane-gab": cli.Usage, lineage.RiskUnprovedDANE: cli.Usage} {
		err := a.certRollOver(nil, true, []string{risk}, publish.Wait)
		if got := a.Code(err); got != want || err != nil && hint.Of(err) == "" {
			t.Errorf("%s: %d, %v", risk, got, err)
		}
	}
}
