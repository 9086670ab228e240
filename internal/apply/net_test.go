package apply_test

import (
	"context"
	"errors"
	"fmt"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/plan"
	"postseal/internal/probe"
)

// TestMain lets the test program be what takes an unconfirmed run back.
func TestMain(m *testing.M) {
	if len(os.Args) == 8 && os.Args[1] == "revert" { // revert CONFIG STATE --run ID --after TIME
		after, err := time.ParseDuration(os.Args[7])
		if err == nil {
			_, err = apply.Revert(context.Background(), host.Local{}, os.Args[2], os.Args[5], after, apply.Options{StateDir: os.Args[3]})
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
func (b *bed) applied(t *testing.T, within time.Duration, flags ...string) *apply.Receipt {
	t.Helper()
	return b.appliedBut(t, within, nil, flags...)
}

// appliedBut is applied with somebody who is told of each step.
func (b *bed) appliedBut(t *testing.T, within time.Duration, events func(apply.Event), flags ...string) *apply.Receipt {
	t.Helper()
	s, p := b.plan(t, flags...)
	o := options(s, p)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o.Events = events
	o.Net = &apply.Net{Within: within, Command: []string{self, "revert", b.Config(), b.settings.StateDir}}
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

// TestWaiting: while a run waits to be confirmed, it says so, and bars another.
func TestWaiting(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before := b.read(t, "main.cf")
	r := b.applied(t, time.Hour)
	if b.read(t, "main.cf") == before {
		t.Fatal("nothing was written")
	}
	away := b.settings.StateDir + ".away"
	if err := os.Rename(b.settings.StateDir, away); err != nil {
		t.Fatal(err)
	}
	if undo, err := apply.Fate(host.Local{}, b.settings.StateDir, b.Config(), r.ID); !errors.Is(err, apply.ErrLost) || undo != nil {
		t.Errorf("without its state, what became of it is: %+v %v", undo, err)
	}
	if err := os.Rename(away, b.settings.StateDir); err != nil {
		t.Fatal(err)
	}
	all, err := apply.Standing(host.Local{}, b.settings.StateDir, "")
	if err != nil || len(all) != 1 || all[0].Phase != apply.Waits || !strings.HasPrefix(all[0].Stands, "reverts automatically at ") {
		t.Errorf("while it waits: %v %+v", err, all)
	}
	if _, err := apply.Run(context.Background(), host.Local{}, second(t, b), apply.Options{StateDir: b.settings.StateDir}); !errors.Is(err, apply.ErrUnconfirmed) {
		t.Errorf("a second run was let go on: %v", err)
	} else if where := " --config-dir " + b.Config() + " --state-dir " + b.settings.StateDir; hint.Of(err) != "postseal confirm --run "+r.ID+where+" confirms it, postseal undo --run "+r.ID+where+" undoes it" {
		t.Errorf("what to type acts on another Postfix: %s", hint.Of(err))
	}
}

// TestUnconfirmed: without a word the bytes come back, and the old certificate
// with them, and nobody of us has done it.
func TestUnconfirmed(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before := b.read(t, "main.cf")
	r := b.applied(t, time.Second) // which may be up before the run has ended
	eventually(t, "it went back", func() bool {
		u, err := apply.Waiting(host.Local{}, b.settings.StateDir)
		return err == nil && u == nil && b.read(t, "main.cf") == before
	})
	all, err := apply.Standing(host.Local{}, b.settings.StateDir, "")
	if err != nil || len(all) != 2 || all[0].Undoes != r.ID || all[0].Phase != apply.Kept || !strings.HasPrefix(all[0].Why, "it was not confirmed by ") {
		t.Errorf("%v %+v", err, all)
	}
	if undo, err := apply.Fate(host.Local{}, b.settings.StateDir, b.Config(), r.ID); !errors.Is(err, apply.ErrRolledBack) || undo == nil || undo.Why == "" {
		t.Errorf("what became of it is: %+v %v", undo, err)
	}
	if _, err := apply.Confirm(context.Background(), host.Local{}, b.settings.StateDir, "", ""); err == nil || !strings.Contains(err.Error(), "run "+r.ID+" was reverted at ") {
		t.Errorf("who comes too late is told: %v", err)
	}
}

// reverts reports whether a process waits to take back a run on this bed.
func (b *bed) reverts(t *testing.T) bool {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(paths, func(path string) bool {
		line, err := os.ReadFile(path) // of a process that may have ended meanwhile
		return err == nil && strings.Contains(string(line), "\x00revert\x00"+b.Config()+"\x00")
	})
}

// TestConfirmed: a run that is confirmed stays, and so does one that was undone
// by hand before.
func TestConfirmed(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before := b.read(t, "main.cf")
	r := b.applied(t, time.Hour)
	after := b.read(t, "main.cf")
	u, err := apply.Confirm(context.Background(), host.Local{}, b.settings.StateDir, "", "")
	if err != nil || u.Run != r.ID {
		t.Fatalf("%v %+v", err, u)
	}
	eventually(t, "what was to take it back has ended", func() bool { return !b.reverts(t) })
	if done, err := apply.Revert(context.Background(), host.Local{}, b.Config(), r.ID, 0, apply.Options{StateDir: b.settings.StateDir}); err != nil || done != nil {
		t.Errorf("when its time is up: %v %+v", err, done)
	}
	if b.read(t, "main.cf") != after {
		t.Error("it went back all the same")
	}
	if undo, err := apply.Fate(host.Local{}, b.settings.StateDir, b.Config(), r.ID); undo != nil || err != nil {
		t.Errorf("what became of it is: %+v %v", undo, err)
	}
	if _, err := apply.Confirm(context.Background(), host.Local{}, b.settings.StateDir, "", ""); err == nil {
		t.Error("confirmed twice")
	}
	undo := func() {
		if _, err := apply.Undo(context.Background(), host.Local{}, b.settings.ConfigDir, "", apply.Options{StateDir: b.settings.StateDir}); err != nil {
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
	if undo, err := apply.Fate(host.Local{}, b.settings.StateDir, b.Config(), r.ID); undo == nil || err == nil || !strings.Contains(err.Error(), "undone by run "+undo.ID) {
		t.Errorf("what became of it is: %+v %v", undo, err)
	}
	if done, err := apply.Revert(context.Background(), host.Local{}, b.Config(), r.ID, 0, apply.Options{StateDir: b.settings.StateDir}); err != nil || done != nil {
		t.Errorf("what was undone is undone again: %v %+v", err, done)
	}
}

// TestTrouble: if not all was well before, the way back is known to lead there.
func TestTrouble(t *testing.T) {
	t.Parallel()
	b := newBed(t, smtpd, "%s inet n - y - - smtpd -o smtpd_tls_cert_file=/nonexistent/x.pem", "%s inet n - y - - smtpd\nsmtp unix - - n - - smtp\nretry unix - - n - - error")
	lab.Write(t, b.Config(), "main.cf", b.read(t, "main.cf")+"relay_transport = smtp:["+strings.Replace(b.Addrs[2], ":", "]:", 1)+"\nsmtp_dns_support_level = disabled\nsmtp_tls_security_level = secure\n", 0o644)
	if o, err := (host.Local{}).Act(context.Background(), "postfix", "-c", b.Config(), "reload"); err != nil || o.Code != 0 {
		t.Fatal(err, o)
	}
	c, err := smtp.Dial(b.Addrs[0])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 6 {
		if err := errors.Join(c.Mail("a@example.com"), c.Rcpt("b@example.org")); err != nil {
			t.Fatal(err)
		}
		w, err := c.Data()
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all are put off", func() bool {
		log, err := os.ReadFile(b.LogPath())
		return err == nil && strings.Count(string(log), "dsn=4.7.5, status=deferred") == 6
	})
	b.applied(t, time.Hour)
	u, err := apply.Waiting(host.Local{}, b.settings.StateDir)
	if err != nil || u == nil || !strings.Contains(u.Trouble, "454") || !strings.HasSuffix(u.Trouble, "; in the last hour, 6 deliveries are put off for security (see "+b.LogPath()+")") {
		t.Errorf("%v %+v", err, u)
	}
	if _, err := apply.Confirm(context.Background(), host.Local{}, b.settings.StateDir, "", ""); err != nil {
		t.Fatal(err)
	}
}

// queued is a machine on which what finds a lock held says so, and does not try
// again before it is let.
type queued struct {
	host.Machine
	found chan<- struct{}
	let   <-chan struct{}
}

func (q queued) Lock(path string) (func() error, error) {
	release, err := q.Machine.Lock(path)
	if errors.Is(err, host.ErrLocked) {
		q.found <- struct{}{}
		<-q.let
	}
	return release, err
}

// TestConfirmedMeanwhile: who confirms while the revert waits for its turn has
// confirmed, and a certificate is not renewed on top of a run that may go back.
func TestConfirmedMeanwhile(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	r := b.applied(t, time.Hour)
	after, state := b.read(t, "main.cf"), b.settings.StateDir
	if _, err := apply.Run(context.Background(), host.Local{}, second(t, b), apply.Options{Kind: "renew", StateDir: state}); !errors.Is(err, apply.ErrUnconfirmed) {
		t.Errorf("renewed on top of it: %v", err)
	}
	release, err := host.Local{}.Lock(filepath.Join(state, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	reverted, found, let := make(chan error, 1), make(chan struct{}, 1), make(chan struct{})
	go func() {
		_, err := apply.Revert(context.Background(), queued{host.Local{}, found, let}, b.Config(), r.ID, 0, apply.Options{StateDir: state})
		reverted <- err
	}()
	<-found
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if _, err := apply.Confirm(context.Background(), host.Local{}, state, "", ""); err != nil {
		t.Fatal(err)
	}
	close(let)
	if err := <-reverted; err != nil {
		t.Error(err)
	}
	if b.read(t, "main.cf") != after {
		t.Error("it went back though it was confirmed")
	}
}

// TestNotWrittenYet: the time may be up before all is written; the net stays until
// it is decided what becomes of the run.
func TestNotWrittenYet(t *testing.T) {
	state := t.TempDir()
	release, err := host.Local{}.Lock(filepath.Join(state, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	lab.Write(t, state, "unconfirmed.json", `{"run":"0001-x","config_dir":"/nonexistent"}`, 0o600)
	lab.Write(t, state, "journal.json", `{"id":"0001-x","config_dir":"/nonexistent","phase":"prepared"}`, 0o600)
	reverted := make(chan error, 1)
	go func() {
		_, err := apply.Revert(context.Background(), host.Local{}, state, "0001-x", 0, apply.Options{StateDir: state})
		reverted <- err
	}()
	select {
	case err := <-reverted:
		t.Errorf("it ended while the run is at work: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	lab.Write(t, state, "receipts/0001-x.json", `{"id":"0001-x","config_dir":"/nonexistent","phase":"rolled back"}`, 0o600)
	if err := errors.Join(os.Remove(filepath.Join(state, "journal.json")), release(), <-reverted); err != nil {
		t.Error(err)
	}
	if u, err := apply.Waiting(host.Local{}, state); u != nil || err != nil {
		t.Errorf("it waits for ever: %+v %v", u, err)
	}
}

// unsynced is a machine on which a receipt is in place although writing it failed.
type unsynced struct{ host.Machine }

func (u unsynced) Replace(path string, data []byte, mode os.FileMode) error {
	err := u.Machine.Replace(path, data, mode)
	if err == nil && strings.Contains(path, "/receipts/") {
		err = fmt.Errorf("sync %s: input/output error", path)
	}
	return err
}

// TestConfirmUnsynced: a run whose receipt says that it was confirmed is kept, and
// that is what the one who confirms is told.
func TestConfirmUnsynced(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	r := b.applied(t, time.Hour)
	u, err := apply.Confirm(context.Background(), unsynced{host.Local{}}, b.settings.StateDir, "", "")
	if err != nil || u.Run != r.ID {
		t.Fatalf("%v %+v", err, u)
	}
	if u, err := apply.Waiting(host.Local{}, b.settings.StateDir); u != nil || err != nil {
		t.Errorf("it waits on: %+v %v", u, err)
	}
}

// TestConfirmHalf: what was killed half way is not kept by a word: its way back
// stays, and goes.
func TestConfirmHalf(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before := b.read(t, "main.cf")
	dies(t, func() { b.appliedBut(t, time.Hour, killedAfter("write")) })
	u, err := apply.Waiting(host.Local{}, b.settings.StateDir)
	if err != nil || u == nil || b.read(t, "main.cf") == before {
		t.Fatalf("it was not killed half way: %v %+v", err, u)
	}
	if _, err := apply.Confirm(context.Background(), host.Local{}, b.settings.StateDir, "", ""); !errors.Is(err, apply.ErrPending) {
		t.Errorf("what nobody has proved is kept: %v", err)
	}
	net := filepath.Join(b.settings.StateDir, "unconfirmed.json")
	if err := os.Rename(net, net+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := apply.Finish(context.Background(), host.Local{}, apply.Options{StateDir: b.settings.StateDir}); err == nil || !strings.Contains(err.Error(), "whether it will is unknown") {
		t.Errorf("a run that wanted a net goes on without it: %v", err)
	}
	if err := os.Rename(net+".away", net); err != nil {
		t.Fatal(err)
	}
	if _, err := apply.Revert(context.Background(), host.Local{}, b.Config(), u.Run, 0, apply.Options{StateDir: b.settings.StateDir}); err != nil {
		t.Error(err)
	}
	if b.read(t, "main.cf") != before {
		t.Error("it did not go back")
	}
}

// TestUndoKilled: an undo that was killed half way does not take the net away,
// whoever deals with it.
func TestUndoKilled(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before := b.read(t, "main.cf")
	r := b.applied(t, time.Hour)
	o := apply.Options{StateDir: b.settings.StateDir}
	b.undoDies(t, "write")
	if _, err := apply.Undo(context.Background(), host.Local{}, b.Config(), "", o); err != nil {
		t.Fatal(err)
	}
	if u, err := apply.Waiting(host.Local{}, b.settings.StateDir); err != nil || u == nil || b.read(t, "main.cf") == before {
		t.Fatalf("the run is in force again, and its net is gone: %v %+v", err, u)
	}
	b.undoDies(t, "write")
	if _, err := apply.Revert(context.Background(), host.Local{}, b.Config(), r.ID, 0, o); err != nil {
		t.Fatal(err)
	}
	if b.read(t, "main.cf") != before {
		t.Error("it did not go back")
	}
	if u, err := apply.Waiting(host.Local{}, b.settings.StateDir); err != nil || u != nil {
		t.Errorf("%v, and %+v still waits", err, u)
	}
}

// TestEdited: an edit in the time in which a run waits neither keeps it from
// going back, nor is it lost.
func TestEdited(t *testing.T) {
	t.Cleanup(apply.Pauses())
	for name, x := range map[string]struct {
		edit  []string // for sed -i, on main.cf
		keeps string   // a line that has to be in main.cf afterwards
		aside bool
		fails bool // with the edit, it cannot be proved
	}{
		"another line":      {edit: []string{"$a smtpd_banner = here"}, keeps: "smtpd_banner = here"},
		"above the block":   {edit: []string{"1i smtpd_banner = here"}, keeps: "smtpd_banner = here"},
		"in the block":      {edit: []string{"s/^smtpd_tls_loglevel.*/smtpd_tls_loglevel = 3/"}, aside: true},
		"the block and all": {edit: []string{"s/^smtpd_tls_loglevel.*/smtpd_tls_loglevel = 3/", "$a smtpd_banner = here"}, keeps: "smtpd_banner = here", aside: true},
		"what stops TLS":    {edit: []string{"$a smtpd_tls_security_level = none"}, aside: true, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			before := b.read(t, "main.cf")
			r := b.applied(t, time.Hour)
			args := []string{"-i"}
			for _, e := range x.edit {
				args = append(args, "-e", e)
			}
			if out, err := exec.Command("sed", append(args, b.Config()+"/main.cf")...).CombinedOutput(); err != nil {
				t.Fatalf("%v %s", err, out)
			}
			edited := b.read(t, "main.cf")
			o := apply.Options{StateDir: b.settings.StateDir}
			if x.fails {
				o.ProveTime = 3 * time.Second
			}
			if _, err := apply.Revert(context.Background(), host.Local{}, b.Config(), r.ID, 0, o); err != nil {
				t.Fatal(err)
			}
			rest := b.read(t, "main.cf")
			if x.keeps != "" {
				rest = strings.ReplaceAll(rest, x.keeps+"\n", "")
			}
			if rest != before || x.keeps != "" && !strings.Contains(b.read(t, "main.cf"), x.keeps+"\n") {
				t.Errorf("main.cf is\n%s\nand was\n%s", b.read(t, "main.cf"), before)
			}
			kept, err := os.ReadFile(b.Config() + "/main.cf.edited-" + r.ID)
			if x.aside && string(kept) != edited || !x.aside && err == nil {
				t.Errorf("beside it: %v %q", err, kept)
			}
			if u, err := apply.Waiting(host.Local{}, b.settings.StateDir); err != nil || u != nil {
				t.Errorf("%v, and %+v still waits", err, u)
			}
			if all, err := apply.History(host.Local{}, b.settings.StateDir, ""); err != nil || len(all[0].Notes) != 1 {
				t.Errorf("%v; it says of the edit: %q", err, all[0].Notes)
			}
		})
	}
}

// TestSuppressed: what somebody writes into the answers file bars no undo, and
// stays; what the run wrote there goes.
func TestSuppressed(t *testing.T) {
	const line = "suppress = [\"RCV-011 accepted by us\"]\n"
	for name, x := range map[string]struct {
		before, want string
		edit         func(string) string
	}{
		"a file that the run made":   {want: line, edit: func(s string) string { return s + line }},
		"one that was there":         {before: "log-level = \"1\"\n", want: "log-level = \"1\"\n" + line, edit: func(s string) string { return s + line }},
		"in the lines of the run":    {want: "edited", edit: func(s string) string { return strings.Replace(s, "= ", "=  ", 3) }},
		"an edit that was taken out": {edit: func(s string) string { return s }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			before, path := b.read(t, "main.cf"), ""
			if x.before != "" {
				lab.Write(t, b.dir, "etc/"+plan.Instance(b.Config())+".toml", x.before, 0o644)
			}
			s, p := b.plan(t)
			r, err := apply.Run(context.Background(), host.Local{}, p, options(s, p))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range r.Entries {
				if e.Kind == plan.Answers {
					path = e.Path
				}
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			edited := x.edit(string(data))
			if x.want == "edited" {
				x.want = edited
			}
			if err := os.WriteFile(path, []byte(edited), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := apply.Undo(context.Background(), host.Local{}, b.Config(), "", options(s, p)); err != nil {
				t.Fatal(err)
			}
			left, err := os.ReadFile(path)
			if b.read(t, "main.cf") != before || string(left) != x.want || err != nil && x.want != "" {
				t.Errorf("%v, the answers are\n%s\nand should be\n%s", err, left, x.want)
			}
		})
	}
}

// TestRevertFails: a run that cannot be put back says so where somebody looks,
// and that is tried again.
func TestRevertFails(t *testing.T) {
	b := newBed(t)
	before := b.read(t, "main.cf")
	r := b.applied(t, time.Hour)
	defer apply.Pauses(time.Millisecond)()
	old := filepath.Join(b.settings.StateDir, "backups", r.ID, fmt.Sprintf("old-%d", slices.IndexFunc(r.Entries, func(e apply.Entry) bool { return e.Kind == plan.MainCF })))
	if err := os.Rename(old, old+".away"); err != nil {
		t.Fatal(err)
	}
	revert := func() error {
		_, err := apply.Revert(context.Background(), host.Local{}, b.Config(), r.ID, 0, apply.Options{StateDir: b.settings.StateDir})
		return err
	}
	if err := revert(); err == nil {
		t.Fatal("it went back without the old bytes")
	}
	u, err := apply.Waiting(host.Local{}, b.settings.StateDir)
	if err != nil || u == nil || !strings.Contains(u.Failure, old) {
		t.Fatalf("%v, recorded is %+v", err, u)
	}
	if _, err := apply.Run(context.Background(), host.Local{}, second(t, b), apply.Options{StateDir: b.settings.StateDir}); err == nil || !strings.Contains(err.Error(), "could not be reverted") {
		t.Errorf("the next run is told: %v", err)
	}
	eventually(t, "the mail log has it, twice", func() bool {
		log, err := os.ReadFile(b.LogPath())
		return err == nil && strings.Count(string(log), "cannot be reverted") == 2
	})
	apply.Pauses(100*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond)
	failed := u.Again
	reverted := make(chan error, 1)
	go func() { reverted <- revert() }()
	eventually(t, "it was tried again", func() bool {
		u, err := apply.Waiting(host.Local{}, b.settings.StateDir)
		return err == nil && u != nil && !u.Again.Equal(failed)
	})
	if err := errors.Join(os.Rename(old+".away", old), <-reverted); err != nil {
		t.Error(err)
	}
	if b.read(t, "main.cf") != before {
		t.Error("it did not go back")
	}
}

// TestStateGone: while the state is away, or another stands in its place, nothing
// can be put back, which is logged; the revert waits for it, also past the time.
func TestStateGone(t *testing.T) {
	t.Cleanup(apply.Pauses(slices.Repeat([]time.Duration{100 * time.Millisecond}, 600)...))
	for name, another := range map[string]string{"gone": "", "another": `{"run":"0001-x","config_dir":"/nonexistent"}`} {
		t.Run(name, func(t *testing.T) { stateGone(t, another) })
	}
}

// stateGone takes the state away; another is the net of a run in what stands in
// its place, or empty for nothing.
func stateGone(t *testing.T, another string) {
	b := newBed(t)
	before := b.read(t, "main.cf")
	r := b.applied(t, time.Hour)
	after, away := b.read(t, "main.cf"), b.settings.StateDir+".away"
	if err := os.Rename(b.settings.StateDir, away); err != nil {
		t.Fatal(err)
	}
	if another != "" {
		err := os.Mkdir(b.settings.StateDir, 0o700)
		for _, name := range []string{"lock", "unconfirmed.json"} {
			err = errors.Join(err, os.WriteFile(filepath.Join(b.settings.StateDir, name), []byte(another), 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	reverted := make(chan error, 1)
	go func() {
		_, err := apply.Revert(context.Background(), host.Local{}, b.Config(), r.ID, time.Second, apply.Options{StateDir: b.settings.StateDir})
		reverted <- err
	}()
	eventually(t, "the mail log has it, then and when the time is up", func() bool {
		log, err := os.ReadFile(b.LogPath())
		return err == nil && strings.Contains(string(log), "waits to be confirmed, and cannot be reverted until this is corrected") && strings.Contains(string(log), "was not confirmed in time, and cannot be put back")
	})
	if b.read(t, "main.cf") != after {
		t.Fatal("it went back all the same")
	}
	if err := errors.Join(os.RemoveAll(b.settings.StateDir), os.Rename(away, b.settings.StateDir)); err != nil {
		t.Fatal(err)
	}
	if err := <-reverted; err != nil {
		t.Error(err)
	}
	if b.read(t, "main.cf") != before {
		t.Error("it did not go back")
	}
	if u, err := apply.Waiting(host.Local{}, b.settings.StateDir); u != nil || err != nil {
		t.Errorf("it waits on: %+v %v", u, err)
	}
}

// TestInstanceGone: where the configuration is gone too, nobody waits for an hour
// to put it back.
func TestInstanceGone(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	dir := t.TempDir()
	if r, err := apply.Revert(ctx, host.Local{}, dir+"/conf", "0001", time.Hour, apply.Options{StateDir: dir + "/state"}); r != nil || err != nil {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestCounted: handshakes are counted at loglevel 0 too, on a real Postfix.
func TestCounted(t *testing.T) {
	t.Parallel()
	b := newBed(t, smtpd+" -o smtpd_tls_loglevel=0", "%s inet n - y - - smtpd -o smtpd_tls_loglevel=0 -o smtpd_tls_cert_file=/nonexistent/x.pem")
	f, ok := apply.NewFollow(context.Background(), host.Local{}, apply.Options{Log: b.Log()})
	if !ok {
		t.Fatal("no log")
	}
	for range 2 {
		if _, err := b.served(t, 0, probe.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.served(t, 0, probe.Options{Algorithm: "ECDSA"}); err == nil {
		t.Fatal("it has an ECDSA certificate")
	}
	if _, err := b.served(t, 1, probe.Options{}); err == nil {
		t.Fatal("it shook hands without a certificate")
	}
	eventually(t, "all are counted", func() bool {
		return f.Poll(context.Background()) == nil && f.Now.InOK == 2 && f.Now.InFailed == 2 && f.Now.Peers["127.0.0.1"] == 2
	})
}
