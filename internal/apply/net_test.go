package apply_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"postseal/internal/apply"
	"postseal/internal/host"
	"postseal/internal/plan"
)

// TestMain lets the test program be what takes an unconfirmed run back.
func TestMain(m *testing.M) {
	if len(os.Args) == 7 && os.Args[1] == "revert" { // revert STATE --run ID --after TIME
		after, err := time.ParseDuration(os.Args[6])
		if err == nil {
			_, err = apply.Revert(context.Background(), host.Local{}, os.Args[4], after, apply.Options{StateDir: os.Args[2]})
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// applied applies the usual change with a net under it.
func (b *bed) applied(t *testing.T, within time.Duration) *apply.Receipt {
	t.Helper()
	s, p := b.plan(t)
	o := options(s, p)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o.Net = &apply.Net{Within: within, Command: []string{self, "revert", b.settings.StateDir}}
	r, err := apply.Run(context.Background(), host.Local{}, p, o)
	if err != nil {
		t.Fatal(err)
	}
	if r.ConfirmBy.IsZero() {
		t.Error("the receipt does not say until when")
	}
	return r
}

// second is another plan, made after the first was applied.
func second(t *testing.T, b *bed) *plan.Plan {
	t.Helper()
	_, p := b.plan(t, "log-level=2")
	if p.Empty() {
		t.Fatal("the second plan is empty")
	}
	return p
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("it never came about that %s", what)
}

// TestUnconfirmed: without a word the bytes come back, and the old certificate
// with them, and nobody of us has done it.
func TestUnconfirmed(t *testing.T) {
	b := newBed(t)
	before := b.read(t, "main.cf")
	r := b.applied(t, 2*time.Second)
	if b.read(t, "main.cf") == before {
		t.Fatal("nothing was written")
	}
	if _, err := apply.Run(context.Background(), host.Local{}, second(t, b), apply.Options{StateDir: b.settings.StateDir}); !errors.Is(err, apply.ErrUnconfirmed) {
		t.Errorf("a second run was let go on: %v", err)
	}
	eventually(t, "it went back", func() bool {
		u, err := apply.Waiting(host.Local{}, b.settings.StateDir)
		return err == nil && u == nil && b.read(t, "main.cf") == before
	})
	all, err := apply.History(host.Local{}, b.settings.StateDir, "")
	if err != nil || len(all) != 2 || all[0].Undoes != r.ID || all[0].Phase != apply.Kept {
		t.Errorf("%v %+v", err, all)
	}
}

// TestConfirmed: a run that is confirmed stays, and so does one that was undone
// by hand before.
func TestConfirmed(t *testing.T) {
	b := newBed(t)
	before := b.read(t, "main.cf")
	r := b.applied(t, 3*time.Second)
	after := b.read(t, "main.cf")
	u, err := apply.Confirm(context.Background(), host.Local{}, b.settings.StateDir)
	if err != nil || u.Run != r.ID {
		t.Fatalf("%v %+v", err, u)
	}
	time.Sleep(time.Until(u.By) + time.Second)
	if b.read(t, "main.cf") != after {
		t.Error("it went back all the same")
	}
	if _, err := apply.Confirm(context.Background(), host.Local{}, b.settings.StateDir); err == nil {
		t.Error("confirmed twice")
	}
	undo := func() {
		if _, err := apply.Undo(context.Background(), host.Local{}, b.settings.ConfigDir, apply.Options{StateDir: b.settings.StateDir}); err != nil {
			t.Fatal(err)
		}
	}
	undo()
	r = b.applied(t, time.Hour)
	undo()
	if u, err := apply.Waiting(host.Local{}, b.settings.StateDir); err != nil || u != nil {
		t.Errorf("%+v waits after undo: %v", u, err)
	}
	if b.read(t, "main.cf") != before {
		t.Error("undo left something")
	}
	if done, err := apply.Revert(context.Background(), host.Local{}, r.ID, 0, apply.Options{StateDir: b.settings.StateDir}); err != nil || done != nil {
		t.Errorf("what was undone is undone again: %v %+v", err, done)
	}
}

// TestTrouble: if not all was well before, the way back is known to lead there.
func TestTrouble(t *testing.T) {
	b := newBed(t, smtpd, "%s inet n - y - - smtpd -o smtpd_tls_cert_file=/nonexistent/x.pem")
	b.applied(t, time.Hour)
	u, err := apply.Waiting(host.Local{}, b.settings.StateDir)
	if err != nil || u == nil || !strings.Contains(u.Trouble, "454") {
		t.Errorf("%v %+v", err, u)
	}
	if _, err := apply.Confirm(context.Background(), host.Local{}, b.settings.StateDir); err != nil {
		t.Fatal(err)
	}
}
