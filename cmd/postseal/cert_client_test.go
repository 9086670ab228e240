package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"postseal/cmd/cli"
	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/session"
)

// stubborn is a machine that does not let go of files, or where somebody presses
// Ctrl-C while Postfix is reloaded.
type stubborn struct {
	*host.Fake
	keep    bool
	press   func()
	reloads []string // what the present key was at each reload
}

const presentKey = "/etc/postseal/certs/client/client.pem"

func (s *stubborn) Remove(path string) error {
	if s.keep {
		return errors.New("no")
	}
	return s.Fake.Remove(path)
}

func (s *stubborn) Act(ctx context.Context, name string, args ...string) (host.Output, error) {
	data, err := s.ReadFile(presentKey)
	if err != nil {
		return host.Output{}, err
	}
	s.reloads = append(s.reloads, string(data))
	if s.press != nil {
		s.press()
	}
	if ctx.Err() != nil {
		return host.Output{}, fmt.Errorf("running %s %s: %w", name, strings.Join(args, " "), ctx.Err())
	}
	return host.Output{}, nil
}

// switching is a server with two keys to send with.
func switching(t *testing.T) (*app, *stubborn, *bytes.Buffer) {
	t.Helper()
	s := &stubborn{Fake: lab.Machine(t, "3.7.11", map[string]string{"main.cf": "myhostname = mx.example.org\n", "master.cf": "smtp unix - - n - - smtp\n"})}
	var out bytes.Buffer
	a := &app{Run: &cli.Run{Ctx: context.Background(), Machine: &host.Recorder{Machine: s}, Out: &out, Err: &bytes.Buffer{}}, settings: session.Settings{ConfigDir: "/etc/postfix"}}
	for range 2 {
		if err := a.certClientNew(false); err != nil {
			t.Fatal(err)
		}
	}
	out.Reset()
	return a, s, &out
}

// TestSwitchLeavesNext: a key that is in use is no failure, whatever is left.
func TestSwitchLeavesNext(t *testing.T) {
	a, s, out := switching(t)
	s.keep = true
	err := a.certClientNew(true)
	if a.Code(err) != cli.Done || !strings.Contains(out.String(), "In use now") || !strings.Contains(out.String(), "rm /etc/postseal/certs/client/client.next.pem") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestSwitchInterrupted: Ctrl-C during the reload puts the key from before back,
// and Postfix reads it again.
func TestSwitchInterrupted(t *testing.T) {
	a, s, out := switching(t)
	before, err := s.ReadFile(presentKey)
	if err != nil {
		t.Fatal(err)
	}
	a.Ctx, s.press = context.WithCancel(a.Ctx)
	err = a.certClientNew(true)
	after, _ := s.ReadFile(presentKey)
	if !errors.Is(err, apply.ErrRolledBack) || !bytes.Equal(before, after) || len(s.reloads) != 2 || s.reloads[1] != string(before) || slices.Contains(s.reloads[:1], string(before)) {
		t.Errorf("%v, %d reloads\n%s", err, len(s.reloads), out)
	}
}

// TestSwitchWithoutPresent: a key that is gone is told of, with what to type.
func TestSwitchWithoutPresent(t *testing.T) {
	a, s, _ := switching(t)
	if err := s.Fake.Remove(presentKey); err != nil {
		t.Fatal(err)
	}
	if err := a.certClientNew(true); err == nil || !strings.Contains(hint.Of(err), "mv /etc/postseal/certs/client/client.next.pem "+presentKey) {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
}

// TestSwitchRefused: what Postfix could not load is not put in place, and one that
// does not run is left alone.
func TestSwitchRefused(t *testing.T) {
	a, s, out := switching(t)
	lab.Write(t, s.Root, "/var/spool/postfix/pid/master.pid", "7\n", 0o644)
	lab.Write(t, s.Root, "/proc/7/comm", "master\n", 0o644)
	s.Programs["postconf -c /etc/postfix -xh queue_directory"] = host.Output{Stdout: "/var/spool/postfix\n"}
	asked := "postmap -c /etc/postfix -q key static:value"
	s.Programs[asked] = host.Output{Code: 1, Stderr: "postmap: fatal: bad numerical configuration: default_process_limit = lots\n"}
	before, err := s.ReadFile(presentKey)
	if err != nil {
		t.Fatal(err)
	}
	err = a.certClientNew(true)
	after, _ := s.ReadFile(presentKey)
	if a.Code(err) != cli.Failed || !strings.Contains(err.Error(), "default_process_limit = lots") || !bytes.Equal(before, after) || len(s.reloads) != 0 {
		t.Errorf("%v, %d reloads", err, len(s.reloads))
	}
	lab.Write(t, s.Root, "/proc/7/comm", "another\n", 0o644)
	if err := a.certClientNew(true); err != nil || !strings.Contains(out.String(), "In use now") || len(s.reloads) != 0 {
		t.Errorf("%v, %d reloads\n%s", err, len(s.reloads), out)
	}
}
