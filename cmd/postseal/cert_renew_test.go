package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

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
	for risk, want := range map[string]int{lineage.RiskDANEGap: cli.Done, "dane-gab": cli.Usage, lineage.RiskUnprovedDANE: cli.Done} {
		err := a.certRollOver(nil, true, []string{risk}, publish.Wait)
		if got := a.Code(err); got != want || err != nil && hint.Of(err) == "" {
			t.Errorf("%s: %d, %v", risk, got, err)
		}
	}
}

// TestRollOverWait: a wait of no time at all is refused.
func TestRollOverWait(t *testing.T) {
	a := &app{Run: &cli.Run{Ctx: context.Background(), Out: &bytes.Buffer{}, Err: &bytes.Buffer{}}}
	for _, wait := range []time.Duration{0, -5 * time.Second} {
		if err := a.certRollOver(nil, false, nil, wait); a.Code(err) != cli.Usage || hint.Of(err) == "" {
			t.Errorf("%s: %v", wait, err)
		}
	}
}

// TestRenewFails: where the CA is not there the run has failed and says what to
// type: as text, and in one piece of JSON that names the certificate.
func TestRenewFails(t *testing.T) {
	m := lab.Machine(t, "3.7.11", map[string]string{"main.cf": "myhostname = mx.example.org\n", "master.cf": "smtp inet n - n - - smtpd\n"})
	store := lineage.Store{M: m, StateDir: session.DefaultStateDir}
	l := &lineage.Lineage{Name: "mx.example.org", Server: "https://127.0.0.1:1/directory", Names: []string{"mx.example.org"}, KeyTypes: []string{"P256"}, Challenge: lineage.Challenge{Kind: "http-01", Listen: "127.0.0.1:0"}}
	if err := store.Save(l); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	a := &app{Run: &cli.Run{Ctx: context.Background(), Machine: &host.Recorder{Machine: m}, Out: &out, Err: &bytes.Buffer{}}, settings: session.Settings{ConfigDir: "/etc/postfix"}}
	err := a.certRenew(nil, true, nil)
	if code := a.Code(err); code != cli.Failed || !strings.Contains(err.Error(), "mx.example.org (ecdsa)") || hint.Of(err) == "" {
		t.Errorf("%d %v", code, err)
	}
	a.JSON = true
	if code := a.Finish(a.certRenew(nil, true, nil)); code != cli.Failed {
		t.Error(code)
	}
	var said struct {
		Certificates []struct{ Lineage, Algorithm, Error string }
		Failure      struct {
			Exit   int
			Errors []struct{ Error, Hint string }
		}
	}
	if err := json.Unmarshal(out.Bytes(), &said); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	if len(said.Certificates) != 1 || said.Certificates[0].Error == "" || said.Failure.Exit != cli.Failed || len(said.Failure.Errors) != 1 || said.Failure.Errors[0].Hint == "" {
		t.Errorf("%s", out.String())
	}
}

// TestTornRecord: a record that cannot be read keeps no other certificate from its
// order or renewal; a renewal of all names its file and what to do, and has failed.
func TestTornRecord(t *testing.T) {
	m := lab.Machine(t, "3.7.11", map[string]string{"main.cf": "myhostname = mx.example.org\n", "master.cf": "smtp inet n - n - - smtpd\n"})
	store := lineage.Store{M: m, StateDir: session.DefaultStateDir}
	for _, name := range []string{"mx.example.org", "torn.example.org"} {
		l := &lineage.Lineage{Name: name, Server: "https://127.0.0.1:1/directory", Names: []string{name}, KeyTypes: []string{"P256"}, Challenge: lineage.Challenge{Kind: "http-01", Listen: "127.0.0.1:0"}}
		if err := store.Save(l); err != nil {
			t.Fatal(err)
		}
	}
	torn := session.DefaultStateDir + "/lineages/torn.example.org.json"
	if err := m.Replace(torn, []byte(`{"name":"torn`), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &app{Run: &cli.Run{Ctx: context.Background(), Machine: &host.Recorder{Machine: m}, Out: &bytes.Buffer{}, Err: &bytes.Buffer{}}, settings: session.Settings{ConfigDir: "/etc/postfix"}}
	order := func(name string) error {
		return a.certObtain(obtainFlags{accept: true, noRehearsal: true}, map[string][]string{
			"server": {"https://127.0.0.1:1/directory"}, "name": {name}, "challenge": {"http-01"}, "http-listen": {"127.0.0.1:0"}, "key-type": {"P256"},
		})
	}
	for what, c := range map[string]struct {
		run         func() error
		torn, tried bool // what the error is about
	}{
		"all":                  {func() error { return a.certRenew(nil, true, nil) }, true, true},
		"another":              {func() error { return a.certRenew([]string{"mx.example.org"}, true, nil) }, false, true},
		"the torn one":         {func() error { return a.certRenew([]string{"torn.example.org"}, true, nil) }, true, false},
		"an order of another":  {func() error { return order("mx.example.org") }, false, true},
		"an order of a new":    {func() error { return order("new.example.org") }, false, true},
		"an order of the torn": {func() error { return order("torn.example.org") }, true, false},
	} {
		err := c.run()
		if a.Code(err) != cli.Failed {
			t.Errorf("%s: %d, %v", what, a.Code(err), err)
			continue
		}
		if strings.Contains(err.Error(), torn) != c.torn || strings.Contains(err.Error(), "127.0.0.1:1") != c.tried {
			t.Errorf("%s: %v", what, err)
		}
		for _, one := range hint.All(err) {
			if hint.Of(one) == "" {
				t.Errorf("%s: no hint with %v", what, one)
			}
		}
	}
	if err := a.certRenew([]string{"../mx"}, true, nil); a.Code(err) != cli.Usage || !strings.Contains(hint.Of(err), "mx.example.org") {
		t.Errorf("%v, %s", err, hint.Of(err))
	}
}
