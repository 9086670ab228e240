package apply_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/maillog"
	"postseal/internal/plan"
	"postseal/internal/probe"
	"postseal/internal/rehearse"
)

// meddler is the machine with somebody at work on it: before is called before
// each program that is run.
type meddler struct {
	host.Local
	before func(args []string)
	act    func(args []string) (host.Output, bool)
}

func (m meddler) Run(ctx context.Context, name string, args ...string) (host.Output, error) {
	if m.before != nil {
		m.before(args)
	}
	return m.Local.Run(ctx, name, args...)
}

func (m meddler) Act(ctx context.Context, name string, args ...string) (host.Output, error) {
	if m.act != nil {
		if o, done := m.act(args); done {
			return o, nil
		}
	}
	return m.Local.Act(ctx, name, args...)
}

// TestEditMeanwhile: an edit that is saved while the listeners are looked at is
// not lost: nothing is written over it.
func TestEditMeanwhile(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	s, p := b.plan(t)
	main := filepath.Join(b.Config(), "main.cf")
	edited := b.read(t, "main.cf") + "# saved meanwhile\n"
	m := meddler{before: func(args []string) {
		if slices.Contains(args, "status") {
			if err := os.WriteFile(main, []byte(edited), 0o644); err != nil {
				t.Error(err)
			}
		}
	}}
	_, err := apply.Run(context.Background(), m, p, options(s, p))
	if !errors.Is(err, apply.ErrChanged) || hint.Of(err) == "" {
		t.Errorf("%v", err)
	}
	if got := b.read(t, "main.cf"); got != edited {
		t.Errorf("the edit is gone:\n%s", got)
	}
	if _, err := b.served(t, 0, probe.Options{}); err != nil {
		t.Error(err)
	}
}

// TestNotReloadable: what somebody has set and not loaded yet, and what makes the next
// reload fail, or kills Postfix, is found before that reload is ours.
func TestNotReloadable(t *testing.T) {
	for line, says := range map[string]string{
		"default_process_limit = lots": "default_process_limit = lots",
		"inet_interfaces = 0.1.2.3":    "0.1.2.3",
		"service_throttle_time = 0":    `service_throttle_time is "0"`,
		"service_throttle_time = 5x":   `service_throttle_time is "5x"`,
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			lab.Write(t, b.Config(), "main.cf", b.read(t, "main.cf")+line+"\n", 0o644)
			s, p := b.plan(t)
			main := b.read(t, "main.cf")
			_, err := apply.Run(context.Background(), host.Local{}, p, options(s, p))
			if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(hint.Of(err), "correct that first") {
				t.Errorf("it says %v", err)
			}
			if b.read(t, "main.cf") != main || !b.runs(t) {
				t.Error("main.cf was changed, or Postfix does not run any more")
			}
			o, err := (host.Local{}).Act(context.Background(), "postfix", "-c", b.Config(), "reload")
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "a reload fails, or stops Postfix, as was said", func() bool { return o.Code != 0 || !b.runs(t) })
		})
	}
}

// TestReloadable: what Postfix takes keeps no one from a change, however it looks.
func TestReloadable(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lab.Write(t, b.Config(), "main.cf", strings.Replace(b.read(t, "main.cf"), "service_throttle_time = 3s", "service_throttle_time = +030sec", 1), 0o644)
	s, p := b.plan(t)
	if _, err := apply.Run(context.Background(), host.Local{}, p, options(s, p)); err != nil || !b.runs(t) {
		t.Errorf("%v, or Postfix does not run any more", err)
	}
}

// TestJams: warnings that fill the queue of the log, before postlogd reads it, make
// Postfix hang; that is found before the reload that would do it is ours.
func TestJams(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	text, err := os.ReadFile("/proc/sys/net/unix/max_dgram_qlen")
	if err != nil {
		t.Fatal(err)
	}
	length, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	// postlogd fills the queue alone: a socket takes one more than that before it waits.
	calm := b.read(t, "main.cf")
	main := calm
	for n := range length + 3 {
		main += fmt.Sprintf("mail_name = number %d\n", n)
	}
	lab.Write(t, b.Config(), "main.cf", main, 0o644)
	s, p := b.plan(t)
	_, err = apply.Run(context.Background(), host.Local{}, p, options(s, p))
	if err == nil || !strings.Contains(err.Error(), "hang indefinitely") || !strings.Contains(err.Error(), "overriding earlier entry: mail_name=number 0") ||
		!strings.Contains(hint.Of(err), "postmap -c "+b.Config()+" -q key static:value") {
		t.Errorf("it says %v: %s", err, hint.Of(err))
	}
	if b.read(t, "main.cf") != main || !b.runs(t) {
		t.Error("main.cf was changed, or Postfix does not run any more")
	}
	eventually(t, "a reload hangs, as was said", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 6*time.Second)
		defer cancel()
		_, err := host.Local{}.Act(ctx, "postfix", "-c", b.Config(), "reload")
		return errors.Is(err, context.DeadlineExceeded)
	})
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	if o, err := (host.Local{}).Run(ctx, "postfix", "-c", b.Config(), "status"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("postfix status ends: %+v, %v", o, err)
	}
	way := hint.Of(apply.Reload(context.Background(), hanging{queue: queue{length: "512000"}, command: "reload"}, b.Config()))
	if !strings.Contains(way, "correct what the warnings name in main.cf") {
		t.Errorf("it says %s", way)
	}
	lab.Write(t, b.Config(), "main.cf", calm, 0o644)
	kill := regexp.MustCompile(`kill -9 ([0-9 ]+), then`).FindStringSubmatch(way)
	if kill == nil {
		t.Fatalf("it does not say what to end: %s", way)
	}
	for _, id := range strings.Fields(kill[1]) {
		if n, err := strconv.Atoi(id); err != nil || syscall.Kill(n, syscall.SIGKILL) != nil {
			t.Errorf("process %s was not ended: %v", id, err)
		}
	}
	if o, err := (host.Local{}).Act(context.Background(), "postfix", "-c", b.Config(), "start"); err != nil || o.Code != 0 {
		t.Fatal(err, o)
	}
	eventually(t, "it greets again", func() bool {
		_, err := b.served(t, 0, probe.Options{})
		return err == nil
	})
}

// TestUndoJams: an undo that cannot be loaded says how the files can go back.
func TestUndoJams(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before := b.read(t, "main.cf") + "smtpd_tls_loglevel = 0\nsmtpd_tls_loglevel = 1\n"
	lab.Write(t, b.Config(), "main.cf", before, 0o644)
	s, p := b.plan(t)
	if _, err := apply.Run(context.Background(), queue{length: "512"}, p, options(s, p)); err != nil {
		t.Fatal(err)
	}
	after := b.read(t, "main.cf")
	_, err := apply.Undo(context.Background(), queue{length: "10"}, b.Config(), "", b.state())
	if !errors.Is(err, apply.ErrRolledBack) || !strings.Contains(err.Error(), "overriding earlier entry: smtpd_tls_loglevel=0") || !strings.Contains(hint.Of(err), "--files-only); then correct main.cf until") || !strings.HasSuffix(hint.Of(err), "; then postfix -c "+b.Config()+" reload") {
		t.Errorf("%v: %s", err, hint.Of(err))
	}
	if b.read(t, "main.cf") != after || !b.runs(t) {
		t.Error("main.cf is not that of the run, or Postfix does not run any more")
	}
	o := b.state()
	o.FilesOnly = true
	wentBack := func(r *apply.Receipt, err error) {
		t.Helper()
		if err != nil || b.read(t, "main.cf") != before {
			t.Fatalf("the files did not go back: %v", err)
		}
		if !strings.Contains(r.Unloadable, "must not be reloaded now") {
			t.Errorf("nobody says that it cannot be reloaded yet: %q", r.Unloadable)
		}
	}
	wentBack(apply.Undo(context.Background(), queue{length: "10"}, b.Config(), "", o))
	if _, err := apply.Run(context.Background(), queue{length: "512"}, p, options(s, p)); err != nil {
		t.Fatal(err)
	}
	o.Events = killedAfter("write")
	dies(t, func() { _, _ = apply.Undo(context.Background(), queue{length: "10"}, b.Config(), "", o) })
	wentBack(apply.Finish(context.Background(), queue{length: "10"}, b.state()))
}

// TestUndoOfJam: an undo of a main.cf that cannot be loaded any more is not sent in a
// circle: mended, that file would be an edit of somebody.
func TestUndoOfJam(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before := b.read(t, "main.cf")
	s, p := b.plan(t)
	if _, err := apply.Run(context.Background(), host.Local{}, p, options(s, p)); err != nil {
		t.Fatal(err)
	}
	gone := refusing{says: "postmap: fatal: parameter inet_interfaces: no local interface found for 192.0.2.1\n"}
	_, err := apply.Undo(context.Background(), gone, b.Config(), "", b.state())
	if err == nil || errors.Is(err, apply.ErrRolledBack) || !strings.Contains(err.Error(), "no local interface found") || !strings.Contains(hint.Of(err), "--files-only); then main.cf was edited") {
		t.Errorf("%v: %s", err, hint.Of(err))
	}
	o := b.state()
	o.FilesOnly = true
	if _, err := apply.Undo(context.Background(), gone, b.Config(), "", o); err != nil || b.read(t, "main.cf") != before {
		t.Errorf("the files did not go back: %v", err)
	}
}

// refusing is a machine on which no program of Postfix starts any more.
type refusing struct {
	host.Local
	says string
}

func (r refusing) Run(ctx context.Context, name string, args ...string) (host.Output, error) {
	if name == "postmap" {
		return host.Output{Code: 1, Stderr: r.says}, nil
	}
	return r.Local.Run(ctx, name, args...)
}

// queue is a machine on which the queue of a socket has that length.
type queue struct {
	host.Local
	length string
}

func (q queue) ReadFile(path string) ([]byte, error) {
	switch {
	case path != "/proc/sys/net/unix/max_dgram_qlen":
		return q.Local.ReadFile(path)
	case q.length == "":
		return nil, os.ErrNotExist
	}
	return []byte(q.length + "\n"), nil
}

// idle is one on which nothing is reloaded.
type idle struct {
	queue
	reloads *int
}

func (i idle) Act(context.Context, string, ...string) (host.Output, error) {
	*i.reloads++
	return host.Output{}, nil
}

// TestQueueOfLog: as many warnings as the queue has room for keep nobody from a reload.
func TestQueueOfLog(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	main := b.read(t, "main.cf")
	const once, twice = "mail_name = x: fatal: not at all\n", "mail_name = x: fatal: not at all\nmail_name = y\n"
	for _, c := range []struct {
		lines, queue string
		reloads      int
	}{
		{once, "1", 1}, {once, "0", 1}, {twice, "11", 1}, {twice, "10", 0}, {twice, "", 1}, {twice + "mail_name = z\n", "20", 0}, {twice + "mail_name = z\n", "21", 1}, {twice + "maillog_file =\n", "10", 1},
	} {
		lab.Write(t, b.Config(), "main.cf", main+c.lines, 0o644)
		old := time.Now().Add(-time.Minute)
		if err := os.Chtimes(filepath.Join(b.Config(), "main.cf"), old, old); err != nil {
			t.Fatal(err)
		}
		reloads := 0
		if err := apply.Reload(context.Background(), idle{queue{length: c.queue}, &reloads}, b.Config()); reloads != c.reloads || (err == nil) != (reloads == 1) {
			t.Errorf("%q with %s: %d reloads, %v", c.lines, c.queue, reloads, err)
		}
	}
}

// stale is a machine on which an old process answers the next connections once more.
type stale struct {
	host.Local
	old   string // where it listens
	times *atomic.Int32
}

func (s stale) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if s.times.Add(-1) >= 0 {
		addr = s.old
	}
	return s.Local.Dial(ctx, network, addr)
}

// TestOldProcess: a process from before the reload that takes an old version yet does
// not make a change fail; one that never ends does.
func TestOldProcess(t *testing.T) {
	t.Parallel()
	old := newBed(t)
	if r, err := old.served(t, 0, probe.Options{MaxVersion: tls.VersionTLS11}); err != nil || r.Version != "TLS 1.1" {
		t.Fatalf("the old process takes nothing old: %v %v", r.Version, err)
	}
	for times, want := range map[int32]error{3: nil, 1 << 20: apply.ErrRolledBack} {
		b := newBed(t)
		s, p := b.plan(t)
		m := stale{old: old.Addrs[0], times: &atomic.Int32{}}
		o := options(s, p)
		o.Events = func(e apply.Event) {
			switch {
			case e.Step == "test what must be refused" && e.State == apply.Running:
				m.times.Store(times)
			case e.Step == "test what must be refused":
				m.times.Store(0)
			}
		}
		if want != nil {
			o.ProveTime = 2 * time.Second
		}
		if _, err := apply.Run(context.Background(), m, p, o); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%d times: %v", times, err)
		}
	}
}

// TestRevive: if the reload kills Postfix, the rollback starts it again.
func TestRevive(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before, err := b.served(t, 0, probe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = exec.Command("postfix", "-c", b.Config(), "stop").Run() })
	s, p := b.plan(t)
	killed := false
	m := meddler{act: func(args []string) (host.Output, bool) {
		if killed || !slices.Contains(args, "reload") {
			return host.Output{}, false
		}
		killed = true
		b.Stop()
		return host.Output{Code: 1, Stderr: "fatal: bind 127.0.0.1 port 465: Address already in use"}, true
	}}
	old := b.read(t, "main.cf")
	if _, err := apply.Run(context.Background(), m, p, options(s, p)); !errors.Is(err, apply.ErrRolledBack) {
		t.Fatalf("%v", err)
	}
	if b.read(t, "main.cf") != old {
		t.Error("main.cf is not as before")
	}
	after, err := b.served(t, 0, probe.Options{})
	if err != nil || after.Fingerprint() != before.Fingerprint() {
		t.Errorf("%v", err)
	}
}

// TestPortTaken: a service is not added on a port that something else has:
// Postfix would not start.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:465")
	if err != nil {
		t.Skip(err) // taken already, by somebody else
	}
	defer l.Close()
	b := newBed(t, smtpd, smtpd+" -o smtpd_sasl_auth_enable=yes")
	before := b.read(t, "master.cf")
	s, p := b.plan(t, "role=mailserver", "submission=encrypt-and-465")
	_, err = apply.Run(context.Background(), host.Local{}, p, options(s, p))
	if err == nil || !strings.Contains(err.Error(), "another program listens on 127.0.0.1:465 already") || hint.Of(err) == "" {
		t.Errorf("%v", err)
	}
	if b.read(t, "master.cf") != before {
		t.Error("master.cf was changed")
	}
}

// TestKeyMode: a chain file that others could read is not left so.
func TestKeyMode(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	s, p := b.plan(t)
	if _, err := apply.Run(context.Background(), host.Local{}, p, options(s, p)); err != nil {
		t.Fatal(err)
	}
	var path string
	_ = filepath.WalkDir(b.settings.CertsDir, func(p string, d fs.DirEntry, _ error) error {
		if d.Type().IsRegular() {
			path = p
		}
		return nil
	})
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	other := b.ca.Issue(t, lab.Leaf{RSA: true})
	for name, text := range map[string]string{"mx.pem": other.Cert + b.ca.IntermediatePEM, "mx.key": other.Key} {
		if err := os.WriteFile(filepath.Join(b.dir, "ssl", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, p = b.plan(t)
	if _, err := apply.Run(context.Background(), host.Local{}, p, options(s, p)); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	if dir, err := os.Stat(filepath.Dir(path)); err != nil || dir.Mode().Perm() != 0o700 {
		t.Errorf("folder %v, %v", dir.Mode(), err)
	}
}

// TestFilesOnlyUndo: what was written for an image is taken back without a
// Postfix, also if a run was interrupted.
func TestFilesOnlyUndo(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before := b.read(t, "main.cf")
	s, p := b.plan(t)
	o := options(s, p)
	o.FilesOnly = true
	if _, err := apply.Run(context.Background(), image{t: t}, p, o); err != nil {
		t.Fatal(err)
	}
	b.Stop()
	time.Sleep(100 * time.Millisecond)
	if _, err := apply.Undo(context.Background(), host.Local{}, b.Config(), "", options(s, p)); err != nil {
		t.Fatal(err)
	}
	if b.read(t, "main.cf") != before {
		t.Error("main.cf is not as before")
	}
}

// image is a machine on which nothing of Postfix is run but what reads its files: one
// that is only being built may not be able to.
type image struct {
	host.Local
	t *testing.T
}

func (i image) Run(ctx context.Context, name string, args ...string) (host.Output, error) {
	if name != "postconf" {
		i.t.Errorf("it runs %s %q", name, args)
	}
	return i.Local.Run(ctx, name, args...)
}

func (i image) Act(_ context.Context, name string, args ...string) (host.Output, error) {
	i.t.Errorf("it runs %s %q", name, args)
	return host.Output{}, nil
}

// TestForgedLog: any local account can write what Postfix would into the log. That is
// noted, and asks for one more look at the listeners; the change, of which every
// listener is proved, stays. Lines of other programs are not even noted.
func TestForgedLog(t *testing.T) {
	t.Parallel()
	const alarm = "warning: cannot get RSA certificate from file x: disabling TLS support"
	for name, c := range map[string]struct {
		line     string
		noted    bool
		unproved string
	}{
		"in the name of smtpd":                     {"Nov 23 12:00:00 mx postfix/smtpd[1]: " + alarm, true, ""},
		"in the name of the sending side":          {"Nov 23 12:00:00 mx postfix/smtp[1]: " + alarm, true, "smtp, "},
		"in the name of both":                      {"Nov 23 12:00:00 mx postfix/smtpd[1]: " + alarm + "\nNov 23 12:00:00 mx postfix/tlsproxy[1]: " + alarm, true, "tlsproxy, "},
		"in the name of a command":                 {"Nov 23 12:00:00 mx postfix/sendmail[1]: fatal: usage: sendmail [options]", false, ""},
		"in the name of a user of another program": {"Nov 23 12:00:00 mx dovecot: imap-login: Aborted login (user=<postfix/smtpd[1]: " + alarm + ">)", false, ""},
		"of a logger":                              {"Nov 23 12:00:00 mx eve: postfix]: fatal: x", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			m := meddler{act: func(args []string) (host.Output, bool) {
				if slices.Contains(args, "reload") {
					log, err := os.OpenFile(b.LogPath(), os.O_WRONLY|os.O_APPEND, 0)
					if err == nil {
						_, err = log.WriteString(c.line + "\n")
						err = errors.Join(err, log.Close())
					}
					if err != nil {
						t.Error(err)
					}
				}
				return host.Output{}, false
			}}
			s, p := b.plan(t)
			o, again := options(s, p), 0
			o.Log.Names = append(o.Log.Names, "postfix")
			o.Events = func(e apply.Event) {
				if e.Step == "shake hands once more" && e.State == apply.Done {
					again++
				}
			}
			r, err := apply.Run(context.Background(), m, p, o)
			if err != nil {
				t.Fatal(err)
			}
			if got := slices.Contains(r.Warnings, alarm); got != c.noted || again > 0 != c.noted {
				t.Errorf("warnings %q, %d more looks", r.Warnings, again)
			}
			if got := r.Unproved(); r.Phase != apply.Kept || !strings.HasPrefix(got, c.unproved) || got != "" && c.unproved == "" {
				t.Errorf("%s, and not proved is %q", r.Phase, got)
			}
		})
	}
}

// TestUncheckedLog: where no listener is checked, no handshake speaks against the log.
func TestUncheckedLog(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	m := meddler{act: func(args []string) (host.Output, bool) {
		if slices.Contains(args, "reload") {
			lab.Write(t, filepath.Dir(b.LogPath()), filepath.Base(b.LogPath()), "Nov 23 12:00:00 mx postfix/smtpd[1]: warning: cannot get RSA certificate from file x: disabling TLS support\n", 0o644)
		}
		return host.Output{}, false
	}}
	s, p := b.plan(t)
	p.Checks = nil
	o := options(s, p)
	o.Log = maillog.Source{Path: b.LogPath()}
	r, err := apply.Run(context.Background(), m, p, o)
	if err != nil || r.Phase != apply.Kept || !strings.HasPrefix(r.Unproved(), "smtpd, ") {
		t.Errorf("%v, %+v", err, r)
	}
}

// TestBrokenLog: where the second look finds that the log is right, the change is
// rolled back, and the line is in the error.
func TestBrokenLog(t *testing.T) {
	t.Parallel()
	const broken = "disabling TLS support"
	b := newBed(t)
	before := b.read(t, "main.cf")
	reloaded := false // once, by the run
	m := meddler{act: func(args []string) (host.Output, bool) {
		reloaded = reloaded || slices.Contains(args, "reload")
		return host.Output{}, false
	}}
	s, p := b.plan(t)
	o := options(s, p)
	o.ProveTime = 5 * time.Second
	o.Events = func(e apply.Event) {
		if e.Step == "shake hands with every listener" && e.State == apply.Done && reloaded {
			// The new chain file breaks now, and smtpd says so.
			reloaded = false
			chains, err := filepath.Glob(filepath.Join(s.CertsDir, "*", "*.pem"))
			if err != nil || len(chains) == 0 {
				t.Fatal(err)
			}
			for _, chain := range chains {
				if err := os.WriteFile(chain, []byte("no chain"), 0o600); err != nil {
					t.Error(err)
				}
			}
			if out, err := exec.Command("postfix", "-c", b.Config(), "reload").CombinedOutput(); err != nil {
				t.Errorf("%v %s", err, out)
			}
			deadline := time.Now().Add(20 * time.Second)
			for log := ""; !strings.Contains(log, broken) && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
				if c, err := net.Dial("tcp", b.Addrs[0]); err == nil {
					_ = c.Close()
				}
				data, _ := os.ReadFile(b.LogPath())
				log = string(data)
			}
		}
	}
	_, err := apply.Run(context.Background(), m, p, o)
	if !errors.Is(err, apply.ErrRolledBack) || !strings.Contains(err.Error(), broken) {
		t.Errorf("%v", err)
	}
	if b.read(t, "main.cf") != before {
		t.Error("main.cf is not as before")
	}
}

// TestJournal: where Postfix logs to the journal, that is read, and what it
// says is noted.
func TestJournal(t *testing.T) {
	b := newBed(t)
	dir := t.TempDir()
	script := "#!/bin/sh\necho \"$@\" >>" + dir + `/asked
[ ! -e ` + dir + `/broken ] || echo '{"SYSLOG_IDENTIFIER":"postfix/smtpd","_PID":"1","_UID":"0","MESSAGE":"warning: cannot get RSA certificate from file x: disabling TLS support"}'
`
	if err := os.WriteFile(filepath.Join(dir, "journalctl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	s, p := b.plan(t)
	o := options(s, p)
	o.Log = maillog.Source{Journal: true, Accounts: []int{0}}
	m := meddler{act: func(args []string) (host.Output, bool) {
		if slices.Contains(args, "reload") {
			if err := os.WriteFile(filepath.Join(dir, "broken"), nil, 0o600); err != nil {
				t.Error(err)
			}
		}
		return host.Output{}, false
	}}
	r, err := apply.Run(context.Background(), m, p, o)
	if err != nil || len(r.Warnings) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	asked, err := os.ReadFile(filepath.Join(dir, "asked"))
	if err != nil || !strings.Contains(string(asked), "--since=@") || !strings.Contains(string(asked), "SYSLOG_FACILITY=2") {
		t.Errorf("asked %q, %v", asked, err)
	}
}

// TestOverridden: a service that takes back what the block promises is seen
// before anything is written.
func TestOverridden(t *testing.T) {
	t.Parallel()
	b := newBed(t, smtpd+" -o smtpd_discard_ehlo_keywords=starttls")
	before := b.read(t, "main.cf")
	s, p := b.plan(t)
	o := options(s, p)
	o.Rehearse = s.Rehearse(nil)
	o.Accept = slices.DeleteFunc(o.Accept, func(name string) bool { return name == plan.RiskFailedRehearsal })
	_, err := apply.Run(context.Background(), host.Local{}, p, o)
	if !errors.Is(err, apply.ErrRisk) || !strings.Contains(err.Error(), "receiving: the server is set not to offer STARTTLS") {
		t.Errorf("%v", err)
	}
	if b.read(t, "main.cf") != before {
		t.Error("it was written all the same")
	}
}

// TestUnrehearsed: what could not be rehearsed, or half of it, is a risk.
func TestUnrehearsed(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before := b.read(t, "main.cf")
	s, p := b.plan(t)
	for name, played := range map[string]apply.Rehearse{
		"nothing": func(context.Context, *plan.Plan, map[string][]byte) (*rehearse.Report, error) {
			return nil, errors.New("no room")
		},
		"half": func(context.Context, *plan.Plan, map[string][]byte) (*rehearse.Report, error) {
			return &rehearse.Report{Missing: []string{"sending"}, Notes: []string{"no room"}}, nil
		},
	} {
		o := options(s, p)
		o.Rehearse = played
		if _, err := apply.Run(context.Background(), host.Local{}, p, o); !errors.Is(err, apply.ErrRisk) || !strings.Contains(err.Error(), "no room") || !strings.Contains(hint.Of(err), plan.RiskUnrehearsed) {
			t.Errorf("%s: %v (%s)", name, err, hint.Of(err))
		}
		if b.read(t, "main.cf") != before {
			t.Fatalf("%s: it was written", name)
		}
		o.Accept = append(o.Accept, plan.RiskUnrehearsed)
		if _, err := apply.Run(context.Background(), host.Local{}, p, o); err != nil {
			t.Errorf("%s, accepted: %v", name, err)
		}
		if _, err := apply.Undo(context.Background(), host.Local{}, b.Config(), "", options(s, p)); err != nil {
			t.Fatal(err)
		}
	}
}
