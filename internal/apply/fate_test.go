package apply_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/lab"
)

// killedAfter ends whoever it tells of a step, when that is done: nothing is put
// back. Unlike a real kill, its locks are released (package faults kills).
func killedAfter(step string) func(apply.Event) {
	return func(e apply.Event) {
		if e.Step == step && e.State == apply.Done {
			runtime.Goexit()
		}
	}
}

// dies does what is killed, and waits for its end.
func dies(t *testing.T, do func()) {
	t.Helper()
	dead := make(chan struct{})
	go func() {
		defer close(dead)
		do()
		t.Error("it was not killed")
	}()
	<-dead
}

// state is the state folder of a bed, with nothing else.
func (b *bed) state() apply.Options {
	return apply.Options{StateDir: b.settings.StateDir, Log: b.Log()}
}

// soon is state where a proof is expected to fail, which takes all of its time.
func (b *bed) soon() apply.Options {
	o := b.state()
	o.ProveTime = 5 * time.Second
	return o
}

// earlier is a run that stays, under the one that waits.
func (b *bed) earlier(t *testing.T) *apply.Receipt {
	t.Helper()
	s, p := b.plan(t, "log-level=2")
	r, err := apply.Run(context.Background(), host.Local{}, p, options(s, p))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// undoDies kills an undo of an instance after it has written.
func (b *bed) undoDies(t *testing.T, step string) {
	t.Helper()
	o := b.state()
	o.Events = killedAfter(step)
	dies(t, func() { _, _ = apply.Undo(context.Background(), host.Local{}, b.Config(), "", o) })
}

// revert is one attempt to take a run back.
func (b *bed) revert(run string) error {
	defer apply.Pauses()()
	_, err := apply.Revert(context.Background(), host.Local{}, b.Config(), run, 0, b.state())
	return err
}

func (b *bed) waiting(t *testing.T) string {
	t.Helper()
	u, err := apply.Waiting(host.Local{}, b.settings.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	if u == nil {
		return ""
	}
	return u.Run
}

// alterNet replaces a text in what stands about the run that waits.
func (b *bed) alterNet(t *testing.T, from, to string) {
	t.Helper()
	path := filepath.Join(b.settings.StateDir, "unconfirmed.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), from) {
		t.Fatalf("it does not have %q: %s", from, text)
	}
	lab.Write(t, b.settings.StateDir, "unconfirmed.json", strings.Replace(string(text), from, to, 1), 0o600)
}

// TestBackupsGone: where the backups are gone, an undo changes nothing, and says what
// to type; once they are restored, it succeeds.
func TestBackupsGone(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before := b.read(t, "main.cf")
	r := b.earlier(t)
	after, backups := b.read(t, "main.cf"), filepath.Join(b.settings.StateDir, "backups")
	for _, lost := range []string{backups, filepath.Join(backups, r.ID)} {
		if err := os.Rename(lost, lost+".away"); err != nil {
			t.Fatal(err)
		}
		_, err := apply.Undo(context.Background(), host.Local{}, b.Config(), "", b.state())
		way := hint.Of(err)
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(way, "restore "+filepath.Join(backups, r.ID)+" ") || !strings.Contains(way, "postseal undo --run "+r.ID) || !strings.Contains(way, "postfix -c "+b.Config()+" reload") {
			t.Errorf("without %s: %v, hint: %s", lost, err, way)
		}
		if b.read(t, "main.cf") != after {
			t.Error("main.cf was changed")
		}
		if err := os.Rename(lost+".away", lost); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := apply.Undo(context.Background(), host.Local{}, b.Config(), "", b.state()); err != nil {
		t.Fatal(err)
	}
	if b.read(t, "main.cf") != before {
		t.Error("undo left something")
	}
}

// TestUndoOfOne: who wants a run taken back that has gone back already does not
// take an earlier one back, and who wants it kept does not keep another.
func TestUndoOfOne(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newBed(t)
	w := b.earlier(t)
	after := b.read(t, "main.cf")
	x := b.applied(t, time.Hour, "log-level=1")
	if _, err := apply.Undo(ctx, host.Local{}, b.Config(), w.ID, b.state()); err == nil || !strings.Contains(err.Error(), "not the newest in effect") {
		t.Errorf("the run below was taken back: %v", err)
	}
	if err := b.revert(x.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := apply.Undo(ctx, host.Local{}, b.Config(), x.ID, b.state()); !errors.Is(err, apply.ErrNothing) || !strings.Contains(err.Error(), "it was not confirmed by") {
		t.Errorf("undo: %v", err)
	}
	if _, err := apply.PutBack(ctx, host.Local{}, b.Config(), x.ID, b.state()); !errors.Is(err, apply.ErrRolledBack) {
		t.Errorf("n: %v", err)
	}
	y := b.applied(t, time.Hour, "log-level=1")
	if _, err := apply.Confirm(ctx, host.Local{}, b.settings.StateDir, b.Config(), x.ID); !errors.Is(err, apply.ErrRolledBack) {
		t.Errorf("y, for a run that went back: %v", err)
	}
	if _, err := apply.Confirm(ctx, host.Local{}, b.settings.StateDir, "/etc/postfix-other", ""); err == nil || !strings.Contains(err.Error(), b.Config()) {
		t.Errorf("confirm on another instance: %v", err)
	}
	if b.waiting(t) != y.ID {
		t.Error("a run was kept that nobody has confirmed")
	}
	if _, err := apply.PutBack(ctx, host.Local{}, b.Config(), y.ID, b.state()); err != nil || b.read(t, "main.cf") != after {
		t.Errorf("%v, or the earlier run is not in force", err)
	}
}

// TestUndecided: what is not there decides nothing. The run goes back when it can.
func TestUndecided(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		half bool // the run was killed half way
		file string
		says error
	}{
		"no receipts":                    {false, "receipts", apply.ErrLost},
		"no journal of a half run":       {true, "journal.json", apply.ErrLost},
		"a receipt, and not yet the net": {false, "unconfirmed.json", nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			before := b.read(t, "main.cf")
			if x.half {
				dies(t, func() { b.appliedBut(t, time.Hour, killedAfter("write")) })
			} else {
				b.applied(t, time.Hour)
			}
			run, path := b.waiting(t), filepath.Join(b.settings.StateDir, x.file)
			if err := os.Rename(path, path+".away"); err != nil {
				t.Fatal(err)
			}
			if u, err := apply.Waiting(host.Local{}, b.settings.StateDir); err != nil || u.Astray(time.Now()) == strings.HasPrefix(u.Stands(time.Now()), "reverts automatically") || x.says != nil && !u.Astray(time.Now()) {
				t.Errorf("%v %+v %s", err, u, u.Stands(time.Now()))
			}
			if err := b.revert(run); !errors.Is(err, x.says) {
				t.Errorf("%v, not %v", err, x.says)
			}
			if x.says != nil {
				all, err := apply.Standing(host.Local{}, b.settings.StateDir, b.Config())
				if err != nil || len(all) != 1 || all[0].ID != run || all[0].Phase != apply.Waits || all[0].When.IsZero() {
					t.Errorf("history has %v %+v", err, all)
				}
				s, p := b.plan(t, "log-level=2")
				if _, err := apply.Run(context.Background(), host.Local{}, p, options(s, p)); !errors.Is(err, apply.ErrLost) || !strings.Contains(hint.Of(err), ", and: rm ") {
					t.Errorf("an apply on top of it: %v (%s)", err, hint.Of(err))
				}
				if err := os.Rename(path+".away", path); err != nil {
					t.Fatal(err)
				}
				if err := b.revert(run); err != nil {
					t.Error(err)
				}
			}
			if b.read(t, "main.cf") != before {
				t.Error("it did not go back")
			}
		})
	}
}

// TestForeignJournal: the journal of another run bars the way back, and does not
// make it forgotten.
func TestForeignJournal(t *testing.T) {
	t.Parallel()
	b, other := newBed(t), newBed(t)
	other.settings.StateDir = b.settings.StateDir
	w := other.earlier(t)
	before := b.read(t, "main.cf")
	other.undoDies(t, "write")
	journal := filepath.Join(b.settings.StateDir, "journal.json")
	if err := os.Rename(journal, journal+".away"); err != nil {
		t.Fatal(err)
	}
	x := b.applied(t, time.Hour)
	if _, err := apply.Undo(context.Background(), host.Local{}, other.Config(), w.ID, b.state()); !errors.Is(err, apply.ErrUnconfirmed) {
		t.Errorf("an undo that could bar the way back: %v", err)
	}
	if err := os.Rename(journal+".away", journal); err != nil {
		t.Fatal(err)
	}
	if err := b.revert(x.ID); !errors.Is(err, apply.ErrPending) {
		t.Errorf("the revert: %v", err)
	}
	if _, err := apply.PutBack(context.Background(), host.Local{}, b.Config(), x.ID, b.state()); !errors.Is(err, apply.ErrPending) {
		t.Errorf("n: %v", err)
	}
	if b.waiting(t) != x.ID {
		t.Fatal("it is forgotten")
	}
	if _, err := apply.Undo(context.Background(), host.Local{}, other.Config(), "", b.state()); err != nil {
		t.Fatal(err)
	}
	if err := b.revert(x.ID); err != nil || b.read(t, "main.cf") != before || b.waiting(t) != "" {
		t.Errorf("it did not go back: %v", err)
	}
}

// TestFinished: a run that was brought to its end from its journal, or taken back,
// waits for nobody.
func TestFinished(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(t *testing.T, b *bed){
		"an undo of it": func(t *testing.T, b *bed) {
			t.Helper()
			b.applied(t, time.Hour, "log-level=1")
			b.undoDies(t, "write")
			_, err := apply.Confirm(context.Background(), host.Local{}, b.settings.StateDir, "", "")
			if way := hint.Of(err); !errors.Is(err, apply.ErrPending) || !strings.Contains(way, "--finish") || !strings.Contains(way, "leaves it in effect") {
				t.Errorf("%v: %s", err, way)
			}
			if _, err := apply.Finish(context.Background(), host.Local{}, b.state()); err != nil {
				t.Error(err)
			}
		},
		"half of it, and that fails": func(t *testing.T, b *bed) {
			t.Helper()
			dies(t, func() { b.appliedBut(t, time.Hour, killedAfter("write"), "log-level=1") })
			ctx, cancel := context.WithCancel(context.Background())
			o := b.state()
			o.Events = func(e apply.Event) {
				if e.Step == "reload" && e.State == apply.Done {
					cancel()
				}
			}
			if _, err := apply.Finish(ctx, host.Local{}, o); !errors.Is(err, apply.ErrRolledBack) {
				t.Error(err)
			}
		},
		"nobody cleared up": func(t *testing.T, b *bed) {
			t.Helper()
			b.applied(t, time.Hour, "log-level=1")
			net := filepath.Join(b.settings.StateDir, "unconfirmed.json")
			text, err := os.ReadFile(net)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := apply.Undo(context.Background(), host.Local{}, b.Config(), "", b.state()); err != nil {
				t.Error(err)
			}
			if err := os.WriteFile(net, text, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.earlier(t)
			after := b.read(t, "main.cf")
			do(t, b)
			net := filepath.Join(b.settings.StateDir, "unconfirmed.json")
			if _, err := os.Stat(net); err == nil && name != "nobody cleared up" {
				t.Error("who settled it left its net")
			}
			if b.read(t, "main.cf") != after {
				t.Error("it is in force")
			}
			if run := b.waiting(t); run != "" {
				t.Errorf("run %s waits", run)
			}
			if u, err := apply.Confirm(context.Background(), host.Local{}, b.settings.StateDir, "", ""); err == nil {
				t.Errorf("run %s is kept", u.Run)
			}
			s, p := b.plan(t, "log-level=1")
			if _, err := apply.Run(context.Background(), host.Local{}, p, options(s, p)); err != nil {
				t.Errorf("the next apply: %v", err)
			}
			if _, err := os.Stat(net); err == nil {
				t.Error("the net is left")
			}
		})
	}
}

// TestStopped: where Postfix does not run when the time is up, the files go back,
// and it is not started; also if what is there then cannot be read, which stays.
func TestStopped(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]string{"as it was written": "", "half edited": broken} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			before := b.read(t, "main.cf")
			x := b.applied(t, time.Hour)
			b.stop(t)
			lab.Write(t, b.Config(), "main.cf", b.read(t, "main.cf")+edit, 0o644)
			if err := b.revert(x.ID); err != nil || b.read(t, "main.cf") != before+edit {
				t.Fatalf("it did not go back, or the edit is lost: %v", err)
			}
			all, err := apply.History(host.Local{}, b.settings.StateDir, "")
			if err != nil || !all[0].FilesOnly || !strings.HasPrefix(all[0].Notes[len(all[0].Notes)-1], "Postfix is not running") {
				t.Errorf("%v %+v", err, all[0])
			}
			if b.runs(t) {
				t.Error("it was started")
			}
		})
	}
}

// TestReverterEnded: what was to put a run back, and is ended, says so.
func TestReverterEnded(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	x := b.applied(t, time.Hour)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := apply.Revert(ctx, host.Local{}, b.Config(), x.ID, time.Hour, b.state()); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	u, err := apply.Waiting(host.Local{}, b.settings.StateDir)
	if err != nil || !u.Astray(time.Now()) || u.Stands(time.Now()) != "no longer reverts automatically: the process that was to revert it was killed" {
		t.Errorf("%v %+v", err, u)
	}
}

// TestEditedUndoKilled: an edit after an undo that was killed does not keep the run
// in force.
func TestEditedUndoKilled(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before := b.read(t, "main.cf")
	x := b.applied(t, time.Hour)
	b.undoDies(t, "back up")
	edit := "smtpd_banner = here\n"
	if err := os.WriteFile(filepath.Join(b.Config(), "main.cf"), []byte(b.read(t, "main.cf")+edit), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := b.revert(x.ID); err != nil {
		t.Error(err)
	}
	if b.read(t, "main.cf") != before+edit {
		t.Error("it did not go back, or the edit is lost")
	}
}

// TestRestarted: a restart of the machine takes the way back away, which is said,
// and a run that wanted one is not finished without.
func TestRestarted(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	dies(t, func() { b.appliedBut(t, time.Hour, killedAfter("write")) })
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	b.alterNet(t, strings.TrimSpace(string(boot)), "6f6f6f6f-0000-4000-8000-000000000000")
	u, err := apply.Waiting(host.Local{}, b.settings.StateDir)
	if err != nil || !u.Astray(time.Now()) || !strings.HasSuffix(u.Stands(time.Now()), "but will not: the machine was restarted") {
		t.Errorf("%v %+v", err, u)
	}
	if _, err := apply.Finish(context.Background(), host.Local{}, b.state()); err == nil || !strings.Contains(err.Error(), "cannot be finished") {
		t.Error(err)
	}
	if way := hint.Of(apply.Interrupted(host.Local{}, b.settings.StateDir)); strings.Contains(way, "--finish") || strings.Contains(way, "reverts automatically") {
		t.Errorf("what cannot be done is offered: %s", way)
	}
	if _, err := apply.Undo(context.Background(), host.Local{}, b.Config(), u.Run, b.state()); err != nil || b.waiting(t) != "" {
		t.Error(err)
	}
}

// TestTornNet: a net that cannot be read bars neither the way back, whoever edits
// what meanwhile, nor that the run is kept.
func TestTornNet(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before := b.read(t, "main.cf")
	tear := func() {
		lab.Write(t, b.settings.StateDir, "unconfirmed.json", "{", 0o600)
	}
	x := b.applied(t, time.Hour)
	tear()
	if u, err := apply.Waiting(host.Local{}, b.settings.StateDir); err != nil || u.Run != x.ID || !u.Astray(time.Now()) || !strings.HasSuffix(u.Stands(time.Now()), "whether it will is unknown") {
		t.Errorf("%v %+v", err, u)
	}
	lab.Write(t, b.Config(), "main.cf", b.read(t, "main.cf")+"smtpd_banner = here\n", 0o644)
	if err := b.revert(x.ID); err != nil || b.read(t, "main.cf") != before {
		t.Errorf("it did not go back: %v", err)
	}
	if edited, err := os.ReadFile(filepath.Join(b.Config(), "main.cf.edited-"+x.ID)); err != nil || !strings.Contains(string(edited), "smtpd_banner") {
		t.Errorf("the edit is lost: %v", err)
	}

	y := b.applied(t, time.Hour)
	tear()
	if _, err := apply.Confirm(context.Background(), host.Local{}, b.settings.StateDir, "", ""); err != nil {
		t.Errorf("it cannot be kept: %v", err)
	}
	if err := b.revert(y.ID); err != nil || b.read(t, "main.cf") == before {
		t.Errorf("it went back all the same: %v", err)
	}
}

// TestUnreadable: a main.cf that Postfix cannot read is no Postfix that does not
// run: it is put back whole, and reloaded.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before := b.read(t, "main.cf")
	x := b.applied(t, time.Hour)
	lab.Write(t, b.Config(), "main.cf", b.read(t, "main.cf")+"this is no line of it\n", 0o644)
	if err := b.revert(x.ID); err != nil || b.read(t, "main.cf") != before {
		t.Fatalf("it did not go back: %v\n%s", err, b.read(t, "main.cf"))
	}
	all, err := apply.History(host.Local{}, b.settings.StateDir, "")
	if err != nil || all[0].FilesOnly || len(all[0].Proofs) != 1 || !all[0].Proofs[0].OK {
		t.Errorf("it is not proved: %v %+v", err, all[0])
	}
}

// noReceipts is a machine with a disc that is full when it comes to receipts.
type noReceipts struct{ host.Machine }

func (n noReceipts) Replace(path string, content []byte, mode fs.FileMode) error {
	if filepath.Base(filepath.Dir(path)) == "receipts" {
		return syscall.ENOSPC
	}
	return n.Machine.Replace(path, content, mode)
}

// TestUnwritten: where the end of what is put back cannot be recorded, that is an
// error, and is not tried for ever.
func TestUnwritten(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	x := b.applied(t, time.Hour)
	b.undoDies(t, "back up")
	lab.Write(t, b.Config(), "main.cf", b.read(t, "main.cf")+"smtpd_banner = here\n", 0o644)
	reloads := 0
	o := b.state()
	o.Events = func(e apply.Event) {
		if strings.HasPrefix(e.Step, "reload") && e.State == apply.Running {
			reloads++
		}
	}
	if _, err := apply.PutBack(context.Background(), noReceipts{host.Local{}}, b.Config(), x.ID, o); !errors.Is(err, apply.ErrPending) || reloads != 1 {
		t.Errorf("after %d reloads: %v", reloads, err)
	}
}

// TestDecided: who confirms a run that does not wait is told what became of it, and
// which one waits.
func TestDecided(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	w := b.earlier(t)
	y := b.applied(t, time.Hour, "log-level=1")
	if err := b.revert(y.ID); err != nil {
		t.Fatal(err)
	}
	decided := func(run string) (text, way string) {
		_, err := apply.Confirm(context.Background(), host.Local{}, b.settings.StateDir, b.Config(), run)
		if err == nil {
			return "", ""
		}
		return err.Error(), hint.Of(err)
	}
	if text, _ := decided(w.ID); text != "" {
		t.Error(text)
	}
	_, err := apply.Confirm(context.Background(), host.Local{}, b.settings.StateDir, "/etc/postfix", w.ID)
	if way := hint.Of(err); err == nil || !strings.Contains(way, "confirm --run "+w.ID+" --config-dir "+b.Config()) {
		t.Errorf("on another instance: %v (%s)", err, way)
	}
	x := b.applied(t, time.Hour, "log-level=1")
	for run, want := range map[string]string{
		w.ID:     "run " + w.ID + " is already confirmed",
		y.ID:     "run " + y.ID + " is not in effect: rolled back: it was not confirmed by ",
		"9999-x": `there is no run "9999-x" in `,
	} {
		text, way := decided(run)
		if !strings.HasPrefix(text, want) || !strings.HasSuffix(text, "; the run that waits to be confirmed is "+x.ID) || !strings.Contains(way, "confirm --run "+x.ID) {
			t.Errorf("%s: %s (%s)", run, text, way)
		}
	}
}

// TestConfirmBare: a run without a net that was killed half way is not kept, and the
// error says how it stands.
func TestConfirmBare(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	s, p := b.plan(t)
	o := options(s, p)
	o.Events = killedAfter("write")
	dies(t, func() { _, _ = apply.Run(context.Background(), host.Local{}, p, o) })
	half, err := apply.Pending(host.Local{}, b.settings.StateDir)
	if err != nil || half == nil {
		t.Fatalf("it was not killed half way: %v", err)
	}
	if _, err := apply.Confirm(context.Background(), host.Local{}, b.settings.StateDir, "", half.ID); !errors.Is(err, apply.ErrPending) {
		t.Errorf("confirm: %v", err)
	}
}

// TestOfAnother: an ID that is none, or of another instance, or of an undo, is
// refused before anything is done, and the hint says what to type.
func TestOfAnother(t *testing.T) {
	t.Parallel()
	b, other := newBed(t), newBed(t)
	other.settings.StateDir = b.settings.StateDir
	x := b.applied(t, time.Hour)
	undo := func(run string) (string, string) {
		_, err := apply.Undo(context.Background(), host.Local{}, other.Config(), run, b.state())
		if err == nil {
			t.Fatalf("%s was undone", run)
		}
		return err.Error(), hint.Of(err)
	}
	t.Run("interrupted", func(t *testing.T) {
		b, other := newBed(t), newBed(t)
		dies(t, func() { b.appliedBut(t, time.Hour, killedAfter("write")) })
		if _, err := apply.Undo(context.Background(), host.Local{}, other.Config(), b.waiting(t), b.state()); err == nil || !strings.HasSuffix(err.Error(), "is of "+b.Config()) {
			t.Errorf("an interrupted run of another instance: %v", err)
		}
	})
	if text, way := undo(x.ID); !strings.HasSuffix(text, "is of "+b.Config()) || !strings.Contains(way, "undo --run "+x.ID+" --config-dir "+b.Config()) {
		t.Errorf("%s (%s)", text, way)
	}
	if text, _ := undo("../receipts/" + x.ID); !strings.HasPrefix(text, "there is no run") {
		t.Error(text)
	}
	back, err := apply.Undo(context.Background(), host.Local{}, b.Config(), x.ID, b.state())
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := undo(back.ID); !strings.HasSuffix(text, "is of kind undo: only an apply can be undone") {
		t.Error(text)
	}
}
