package apply_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/maillog"
	"postseal/internal/plan"
	"postseal/internal/probe"
)

// broken is a line of main.cf that Postfix cannot read.
const broken = "this is no line of it\n"

func (b *bed) stop(t *testing.T) {
	t.Helper()
	if o, err := (host.Local{}).Act(context.Background(), "postfix", "-c", b.Config(), "stop"); err != nil || o.Code != 0 {
		t.Fatal(err, o)
	}
}

// runs reports whether Postfix runs, by the process of its master.
func (b *bed) runs(t *testing.T) bool {
	t.Helper()
	pid, err := os.ReadFile(filepath.Join(b.Dir, "queue/pid/master.pid"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = os.Stat(filepath.Join("/proc", strings.TrimSpace(string(pid))))
	return err == nil
}

// TestMended: who mends a file while an undo of it fails is neither given back the
// edit that the undo had put aside, which may be what keeps Postfix from running, nor
// the old file.
func TestMended(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before := b.read(t, "main.cf")
	x := b.applied(t, time.Hour)
	ran := b.read(t, "main.cf")
	lab.Write(t, b.Config(), "main.cf", ran+broken, 0o644)
	mended, reloads := ran+"smtpd_banner = here\n", 0
	o := b.soon()
	o.Events = func(e apply.Event) {
		if e.Step != "reload" || e.State != apply.Running {
			return
		}
		if reloads++; reloads == 2 { // with the edit first, which is found not to work
			lab.Write(t, b.Config(), "main.cf", mended, 0o644)
		}
	}
	r, err := apply.Undo(context.Background(), &failing{Machine: host.Local{}, reload: 1}, b.Config(), x.ID, o)
	if !errors.Is(err, apply.ErrRolledBack) {
		t.Fatalf("it did not fail as it was to: %v", err)
	}
	aside := filepath.Join(b.Config(), "main.cf.edited-"+x.ID)
	if len(r.Notes) != 1 || !strings.HasSuffix(r.Notes[0], "; that is kept, and earlier edits are in "+aside) {
		t.Errorf("it says of the edits: %q", r.Notes)
	}
	if now := b.read(t, "main.cf"); now != mended {
		t.Errorf("main.cf is\n%s\nand not as it was mended", now)
	}
	if now := b.read(t, filepath.Base(aside)); now != ran+broken {
		t.Errorf("the edit is lost: %q", now)
	}
	if err := b.revert(x.ID); err != nil || b.read(t, "main.cf") != before+"smtpd_banner = here\n" || b.read(t, filepath.Base(aside)) != ran+broken {
		t.Errorf("it does not go back after that: %v\n%s", err, b.read(t, "main.cf"))
	}
}

// TestEditedToDeath: an undo does not make Postfix read what somebody has edited and it
// would die of. Where others have, it is not taken for one that somebody has stopped:
// it is started.
func TestEditedToDeath(t *testing.T) {
	t.Parallel()
	for _, loaded := range []bool{false, true} {
		b := newBed(t)
		t.Cleanup(func() { _ = exec.Command("postfix", "-c", b.Config(), "stop").Run() })
		before := b.read(t, "main.cf")
		x := b.applied(t, time.Hour)
		edited := b.read(t, "main.cf") + "service_throttle_time = 0\n"
		lab.Write(t, b.Config(), "main.cf", edited, 0o644)
		started := false
		o := b.soon()
		o.Log = maillog.Source{} // which would tell
		o.Events = func(e apply.Event) {
			if loaded && e.Step == "write" && e.State == apply.Running {
				if _, err := (host.Local{}).Act(context.Background(), "postfix", "-c", b.Config(), "reload"); err != nil {
					t.Error(err)
				}
				eventually(t, "it is dead", func() bool { return !b.runs(t) })
			}
			started = started || e.Step == "start Postfix again"
		}
		if _, err := apply.Undo(context.Background(), host.Local{}, b.Config(), x.ID, o); err != nil || started != loaded {
			t.Errorf("loaded %v: %v, or it was started: %v", loaded, err, started)
		}
		if !b.runs(t) || b.read(t, "main.cf") != before || b.read(t, "main.cf.edited-"+x.ID) != edited {
			t.Errorf("loaded %v: Postfix does not run, or it did not go back, or the edit is lost", loaded)
		}
	}
}

// TestKilledOver: an undo that is killed at any step is brought to its end, whatever
// somebody has edited before it.
func TestKilledOver(t *testing.T) {
	backUp, write := apply.Event{Step: "back up", State: apply.Done}, apply.Event{Step: "write", State: apply.Done}
	whole := apply.Event{Step: "restore later edits too", State: apply.Noted}
	floors := apply.Event{Step: "test what must be refused", State: apply.Running}
	for line, steps := range map[string][]apply.Event{
		"default_process_limit = lots\n": {write, whole},                 // which postfix(1) refuses
		"service_throttle_time = 0\n":    {write, whole, floors},         // which master(8) dies of
		broken:                           {backUp, write, whole, floors}, // which nobody can read
	} {
		for _, at := range steps {
			t.Run(strings.Fields(line)[0]+" "+at.Step, func(t *testing.T) {
				t.Parallel()
				b := newBed(t)
				before := b.read(t, "main.cf")
				x := b.applied(t, time.Hour)
				edited := b.read(t, "main.cf") + line
				lab.Write(t, b.Config(), "main.cf", edited, 0o644)
				o, killed := b.soon(), false
				o.Events = func(e apply.Event) {
					if e.Step == at.Step && e.State == at.State {
						killed = true
						runtime.Goexit()
					}
				}
				over := make(chan error)
				go func() {
					defer close(over)
					_, err := apply.Undo(context.Background(), host.Local{}, b.Config(), x.ID, o)
					over <- err
				}()
				if err := <-over; err != nil {
					t.Fatal(err)
				}
				if !killed {
					t.Fatal("it was not killed")
				}
				if _, err := apply.Undo(context.Background(), host.Local{}, b.Config(), x.ID, b.soon()); err != nil {
					t.Fatal(err)
				}
				kept, err := filepath.Glob(filepath.Join(b.Config(), "main.cf.edited-*"))
				if err != nil || b.read(t, "main.cf") != before || len(kept) != 1 || b.read(t, filepath.Base(kept[0])) != edited {
					t.Errorf("it did not go back, or the edit is not in %q: %v\n%s", kept, err, b.read(t, "main.cf"))
				}
				if !b.runs(t) || b.waiting(t) != "" {
					t.Error("Postfix does not run, or the run still waits")
				}
			})
		}
	}
}

// TestFirstTLS: where there was no TLS before the run, taking it back is proved by a
// greeting.
func TestFirstTLS(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lab.Write(t, b.Config(), "main.cf", strings.Replace(b.read(t, "main.cf"), "smtpd_use_tls = yes", "smtpd_use_tls = no", 1), 0o644)
	if o, err := (host.Local{}).Act(context.Background(), "postfix", "-c", b.Config(), "reload"); err != nil || o.Code != 0 {
		t.Fatal(err, o)
	}
	x := b.applied(t, time.Hour)
	lab.Write(t, b.Config(), "main.cf", b.read(t, "main.cf")+"default_process_limit = lots\n", 0o644)
	r, err := apply.Undo(context.Background(), host.Local{}, b.Config(), x.ID, b.soon())
	if err != nil || r.FilesOnly || len(r.Proofs) != 1 || !r.Proofs[0].OK || r.Proofs[0].Mode != plan.GreetOnly {
		t.Errorf("it is not proved: %v %+v", err, r)
	}
	if _, err := b.served(t, 0, probe.Options{}); !errors.Is(err, probe.ErrNotOffered) {
		t.Errorf("it did not go back: %v", err)
	}
}

// TestStartedSince: an undo that found Postfix stopped, and was killed, proves what it
// does if Postfix runs when it goes on.
func TestStartedSince(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	x := b.applied(t, time.Hour)
	b.stop(t)
	b.undoDies(t, "back up")
	if o, err := (host.Local{}).Act(context.Background(), "postfix", "-c", b.Config(), "start"); err != nil || o.Code != 0 {
		t.Fatal(err, o)
	}
	r, err := apply.Undo(context.Background(), host.Local{}, b.Config(), x.ID, b.state())
	if err != nil || r.FilesOnly || len(r.Notes) > 0 || len(r.Proofs) != 1 {
		t.Errorf("it is not proved: %v %+v", err, r)
	}
}

// TestReceiptLost: an undo whose run's receipt is gone can be taken back, and leaves
// nothing in the way.
func TestReceiptLost(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	x := b.applied(t, time.Hour)
	b.undoDies(t, "write")
	if err := os.Remove(filepath.Join(b.settings.StateDir, "receipts", x.ID+".json")); err != nil {
		t.Fatal(err)
	}
	if _, err := apply.Undo(context.Background(), host.Local{}, b.Config(), "", b.state()); err != nil {
		t.Error(err)
	}
	if err := apply.Interrupted(host.Local{}, b.settings.StateDir); err != nil {
		t.Error(err)
	}
}

// TestRefusedValue: a Postfix that runs is not taken for one that does not because
// postfix(1) refuses a value that somebody has set: what goes back is proved.
func TestRefusedValue(t *testing.T) {
	t.Parallel()
	for _, edit := range []string{"default_process_limit = lots\n", "inet_protocols = foo\n", "mail_owner = nobodyhere\n"} {
		t.Run(strings.Fields(edit)[0], func(t *testing.T) {
			b := newBed(t)
			before := b.read(t, "main.cf")
			x := b.applied(t, time.Hour)
			lab.Write(t, b.Config(), "main.cf", b.read(t, "main.cf")+edit, 0o644)
			if o, err := (host.Local{}).Run(context.Background(), "postfix", "-c", b.Config(), "status"); err != nil || o.Code == 0 {
				t.Fatal("postfix status takes that value", err)
			}
			r, err := apply.Undo(context.Background(), host.Local{}, b.Config(), x.ID, b.soon())
			if err != nil || r.FilesOnly || len(r.Proofs) != 1 || !r.Proofs[0].OK {
				t.Fatalf("it is not proved: %v %+v", err, r)
			}
			if !strings.HasPrefix(b.read(t, "main.cf"), before) || !b.runs(t) {
				t.Error("it did not go back")
			}
		})
	}
}

// TestStoppedHalf: an undo that was killed is brought to its end where Postfix is
// stopped, also if main.cf cannot be read.
func TestStoppedHalf(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before := b.read(t, "main.cf")
	x := b.applied(t, time.Hour)
	ran := b.read(t, "main.cf")
	lab.Write(t, b.Config(), "main.cf", ran+broken, 0o644)
	b.undoDies(t, "back up")
	lab.Write(t, b.Config(), "main.cf", ran, 0o644) // else it cannot be stopped
	b.stop(t)
	lab.Write(t, b.Config(), "main.cf", ran+broken, 0o644)
	if _, err := apply.Undo(context.Background(), host.Local{}, b.Config(), x.ID, b.state()); err != nil || b.read(t, "main.cf") != before+broken {
		t.Errorf("it did not go back: %v", err)
	}
	if b.runs(t) {
		t.Error("it was started")
	}
}

// TestTwoEdits: what is kept of an edit is not written over by what is kept of the next.
func TestTwoEdits(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	dies(t, func() { b.appliedBut(t, time.Hour, killedAfter("write")) })
	run, ran := b.waiting(t), b.read(t, "main.cf")
	edit := func(level string) string {
		out := strings.Replace(ran, "smtpd_tls_security_level = may", "smtpd_tls_security_level = "+level, 1)
		lab.Write(t, b.Config(), "main.cf", out, 0o644)
		return out
	}
	first := edit("encrypt")
	if _, err := apply.Undo(context.Background(), &failing{Machine: host.Local{}, reload: 1, after: true}, b.Config(), run, b.state()); !errors.Is(err, apply.ErrNotRolledBack) {
		t.Fatalf("it did not fail as it was to: %v", err)
	} else if !strings.Contains(hint.Of(err), "main.cf.edited-"+run) {
		t.Errorf("where the edit is: %s", hint.Of(err))
	}
	second := edit("none")
	if _, err := apply.Undo(context.Background(), host.Local{}, b.Config(), run, b.state()); err != nil {
		t.Fatal(err)
	}
	if b.read(t, "main.cf.edited-"+run) != first || b.read(t, "main.cf.edited-"+run+".2") != second {
		t.Error("an edit is lost")
	}
}

// TestEditedToSleep: an edit with which a listener does not answer in time is put aside,
// as any with which an undo cannot be proved.
func TestEditedToSleep(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before := b.read(t, "main.cf")
	x := b.applied(t, time.Hour)
	edited := b.read(t, "main.cf") + "smtpd_delay_reject = no\nsmtpd_client_restrictions = sleep 60\n"
	lab.Write(t, b.Config(), "main.cf", edited, 0o644)
	if _, err := apply.Undo(context.Background(), host.Local{}, b.Config(), x.ID, b.soon()); err != nil {
		t.Fatal(err)
	}
	if b.read(t, "main.cf") != before || b.read(t, "main.cf.edited-"+x.ID) != edited {
		t.Error("it did not go back, or the edit is lost")
	}
}

// TestTriesAgain: what is tried again is not said to be gone.
func TestTriesAgain(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	dies(t, func() { b.appliedBut(t, time.Hour, killedAfter("write")) })
	again := time.Now().Add(time.Minute).Format(time.RFC3339)
	b.alterNet(t, "{", `{"failure": "main.cf is locked", "again": "`+again+`",`)
	if way := hint.Of(apply.Interrupted(host.Local{}, b.settings.StateDir)); strings.Contains(way, "is not there") || !strings.Contains(way, "could not be reverted: main.cf is locked; the next attempt is at ") {
		t.Errorf("it says: %s", way)
	}
}

// TestDisplacedAndBack: an undo that has put an edit aside and then fails leaves the
// edit where it was, and says nothing of a file that is not there.
func TestDisplacedAndBack(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	x := b.applied(t, time.Hour)
	edited := strings.Replace(b.read(t, "main.cf"), "smtpd_tls_loglevel = 1", "smtpd_tls_loglevel = 3", 1)
	lab.Write(t, b.Config(), "main.cf", edited, 0o644)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o, aside := b.soon(), ""
	o.Events = func(e apply.Event) {
		if strings.Contains(e.Text, "is kept as ") {
			_, aside, _ = strings.Cut(e.Text, "is kept as ")
		}
		if aside != "" && e.Step == "shake hands with every listener" {
			cancel()
		}
	}
	r, err := apply.Undo(ctx, host.Local{}, b.Config(), x.ID, o)
	if !errors.Is(err, apply.ErrRolledBack) || aside == "" {
		t.Fatalf("it did not fail as it was to, after it had put the edit aside as %q: %v", aside, err)
	}
	if _, err := os.Stat(aside); err == nil || b.read(t, "main.cf") != edited || len(r.Notes) != 0 {
		t.Errorf("%s is left (%v), or the edit is not where it was, or it says %q", aside, err, r.Notes)
	}
}

// TestNotLookedAt: while main.cf cannot be read nobody is made to read it. Each look
// would make an smtpd die of it, and with postlogd dead of it too, master hangs.
func TestNotLookedAt(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before := b.read(t, "main.cf")
	x := b.applied(t, time.Hour)
	edited := b.read(t, "main.cf") + broken
	lab.Write(t, b.Config(), "main.cf", edited, 0o644)
	o, seen := b.soon(), 0
	o.Events = func(e apply.Event) {
		if e.Step == "check the listeners" && e.State == apply.Done {
			seen = strings.Count(b.log(t), "connect from")
		}
	}
	already := strings.Count(b.log(t), "connect from")
	if already == 0 {
		t.Fatal("its log says nothing of connections")
	}
	if _, err := apply.Undo(context.Background(), host.Local{}, b.Config(), x.ID, o); err != nil || b.read(t, "main.cf") != before {
		t.Fatalf("it did not go back: %v", err)
	}
	if seen != already {
		t.Errorf("before it was written, it was looked at %d times", seen-already)
	}
}

func (b *bed) log(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(b.LogPath())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestHangs: who has to end a master that hangs is told which, and how, whether it
// is "postfix reload" that does not come to its end, or "postfix status" before it,
// which is not taken for a Postfix that does not run.
func TestHangs(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]error{"reload": apply.ErrNotRolledBack, "status": context.DeadlineExceeded} {
		t.Run(command, func(t *testing.T) {
			b := newBed(t)
			s, p := b.plan(t)
			before, err := os.ReadFile(filepath.Join(b.Config(), "main.cf"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = apply.Run(context.Background(), hanging{command: command}, p, options(s, p))
			if !errors.Is(err, want) {
				t.Fatal(err)
			}
			pid, err2 := os.ReadFile(filepath.Join(b.Dir, "queue/pid/master.pid"))
			if err2 != nil {
				t.Fatal(err2)
			}
			if !slices.ContainsFunc(hint.All(err), func(e error) bool {
				return strings.Contains(hint.Of(e)+e.Error(), "kill -9 "+strings.TrimSpace(string(pid))+" ") && strings.Contains(hint.Of(e)+e.Error(), ", then postfix -c "+b.Config()+" start")
			}) {
				t.Errorf("%v: %s", err, hint.Of(err))
			}
			after, err := os.ReadFile(filepath.Join(b.Config(), "main.cf"))
			if err != nil || string(after) != string(before) {
				t.Errorf("main.cf was left changed: %v", err)
			}
		})
	}
}

// TestRevertHangs: what hangs is not put back at half: nothing is touched, and said is
// what to end; after that it goes back.
func TestRevertHangs(t *testing.T) {
	b := newBed(t)
	before := b.read(t, "main.cf")
	x := b.applied(t, time.Hour, "log-level=1")
	after := b.read(t, "main.cf") + "# an edit\n"
	lab.Write(t, b.Config(), "main.cf", after, 0o644)
	resume := apply.Pauses()
	_, err := apply.Revert(context.Background(), hanging{command: "status"}, b.Config(), x.ID, 0, b.state())
	resume()
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(hint.Of(err), "kill -9 ") {
		t.Errorf("%v: %s", err, hint.Of(err))
	}
	if b.read(t, "main.cf") != after || b.waiting(t) != x.ID {
		t.Error("something was touched, or nothing waits any more")
	}
	if err := b.revert(x.ID); err != nil || b.read(t, "main.cf") != before+"# an edit\n" {
		t.Errorf("it did not go back: %v", err)
	}
}

// hanging is a machine on which that command of postfix(1) does not come to its end.
type hanging struct {
	queue
	command string
}

func (h hanging) Act(ctx context.Context, name string, args ...string) (host.Output, error) {
	if args[len(args)-1] == h.command {
		return host.Output{Code: -1}, context.DeadlineExceeded
	}
	return h.Local.Act(ctx, name, args...)
}

func (h hanging) Run(ctx context.Context, name string, args ...string) (host.Output, error) {
	if args[len(args)-1] == h.command {
		return host.Output{Code: -1}, context.DeadlineExceeded
	}
	return h.Local.Run(ctx, name, args...)
}
