package apply

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/internal/host"
	"postseal/internal/maillog"
)

// TestTally: each kind of line counts once, and what a peer writes does not
// count as ours.
func TestTally(t *testing.T) {
	var tally Tally
	tally.read(logged("smtpd",
		"Anonymous TLS connection established from a.example[192.0.2.1]: TLSv1.3 with cipher X",
		"Trusted TLS connection established to b.example[192.0.2.2]:25: TLSv1.3 with cipher X",
		"SSL_accept error from c.example[192.0.2.3]: -1",
		"SSL_accept error from c.example[192.0.2.3]: lost connection",
		"SSL_connect error to d.example[2001:db8::1]:25: -1",
		"ABC: to=<x@d.example>, relay=d.example[192.0.2.4]:25, delay=1, dsn=4.7.5, status=deferred (Server certificate not verified)",
		"ABC: to=<x@d.example>, relay=none, delay=1, dsn=4.4.1, status=deferred (timed out)",
		"warning: TLS library problem: error:0A0000C1:SSL routines::no shared cipher:x",
		"warning: No server certs available. TLS won't be enabled",
		"warning: No server certs available. TLS won't be enabled",
		"warning: hostname fatal: TLS does not resolve to address 192.0.2.9: [192.0.2.9]",
		"fatal: Invalid TLS level \"maye\"",
		"warning: non-SMTP command from unknown[192.0.2.5]: x: bad command startup -- throttling",
		"ABC: to=<x@e.example>, relay=e.example[192.0.2.6]:25, delay=1, dsn=2.0.0, status=sent (250 TLS connection established from -- throttling)",
		"ABC: to=<x@e.example>, relay=e.example[192.0.2.6]:25, delay=1, dsn=4.2.0, status=deferred (host said: 450, dsn=4.7.1, status=deferred )",
		"warning: /usr/lib/postfix/sbin/smtpd: bad command startup -- throttling",
		"ABC: to=<x@e.example>, relay=e.example[192.0.2.7]:25, delay=1, dsn=4.7.1, status=deferred (host e.example[192.0.2.7] said: 450 4.7.1 Greylisted (in reply to RCPT TO command))",
		"ABC: to=<x@e.example>, relay=e.example[192.0.2.7]:25, delay=1, dsn=4.7.1, status=deferred (host e.example[192.0.2.7] said: 450 4.7.1 (in reply to STARTTLS command) (in reply to RCPT TO command))",
		"disconnect from a.example[192.0.2.1] ehlo=2 starttls=1 quit=1 commands=4",
	))
	if tally.InOK != 1 || tally.OutOK != 1 || tally.InFailed != 2 || tally.OutFailed != 1 || tally.Deferred != 1 || tally.Died != 2 || len(tally.Warnings) != 1 {
		t.Errorf("%+v", tally)
	}
	if got := tally.Worst(2); !slices.Equal(got, []string{"192.0.2.3", "192.0.2.4"}) {
		t.Errorf("%v", got)
	}
}

// logged are lines of one program.
func logged(program string, texts ...string) (out []maillog.Line) {
	for _, t := range texts {
		out = append(out, maillog.Line{Program: program, Text: t})
	}
	return out
}

// TestDied: a command that dies hides no daemon, one daemon no other, and what the
// master holds back now counts whatever was before.
func TestDied(t *testing.T) {
	log := func(program, text string) string {
		return strings.Repeat("Nov 23 10:00:00 mx postfix/"+program+"[1]: "+text+"\n", 8)
	}
	usage, level, held := log("sendmail", "fatal: usage: sendmail [options]"), log("smtp", "fatal: Invalid TLS level"),
		log("master", "warning: /usr/lib/postfix/sbin/smtp: bad command startup -- throttling")
	for name, x := range map[string]struct {
		before, now string
		worse       bool
	}{
		"commands":                     {"", usage, false},
		"a daemon, after commands":     {usage, level, true},
		"a daemon, after another":      {log("local", "fatal: x"), log("submission/smtpd", "fatal: x"), true},
		"a daemon, as before":          {level, level, false},
		"held back, also before":       {held, held, true},
		"nothing, after what was held": {held, "", false},
	} {
		var before, now Tally
		before.read(maillog.ParseAll(x.before, maillog.DefaultNames))
		now.read(maillog.ParseAll(x.now, maillog.DefaultNames))
		if why := now.Worse(before); (why != "") != x.worse || name == "commands" && now.Died > 0 {
			t.Errorf("%s: %q, %d died", name, why, now.Died)
		}
	}
}

// TestLost: one client that went well before and does not any more is no noise.
func TestLost(t *testing.T) {
	good := "disconnect from a.example[192.0.2.1] ehlo=2 starttls=1 mail=1 quit=1 commands=5"
	bad := "disconnect from a.example[192.0.2.1] ehlo=1 starttls=0/1 commands=1/2"
	for _, x := range []struct {
		before string
		worse  bool
	}{{good, true}, {strings.ReplaceAll(good, "192.0.2.1", "192.0.2.2"), false}} {
		var before, now Tally
		before.read(logged("smtpd", slices.Repeat([]string{x.before}, 200)...))
		now.read(logged("smtpd", slices.Repeat([]string{bad}, 200)...))
		if why := now.Worse(before); (why != "") != x.worse {
			t.Errorf("before %s: %q", x.before, why)
		}
	}
}

// TestWorse: daily noise is not held against a change; a share that was not
// there before is.
func TestWorse(t *testing.T) {
	peers := map[string]int{"192.0.2.1": 2, "192.0.2.2": 2, "192.0.2.3": 2}
	for name, x := range map[string]struct {
		now, before Tally
		worse       bool
	}{
		"nothing":               {Tally{}, Tally{}, false},
		"scanners as always":    {Tally{InOK: 20, InFailed: 9, Peers: peers}, Tally{InOK: 200, InFailed: 90}, false},
		"one client tries much": {Tally{InOK: 1, InFailed: 90, Peers: map[string]int{"192.0.2.1": 90}}, Tally{InOK: 200}, false},
		"many clients":          {Tally{InOK: 3, InFailed: 6, Peers: peers}, Tally{InOK: 200, InFailed: 10}, true},
		"many servers":          {Tally{OutOK: 3, OutFailed: 6, Peers: peers}, Tally{OutOK: 200}, true},
		"put off":               {Tally{OutOK: 1, Deferred: 7, Peers: peers}, Tally{OutOK: 50, Deferred: 2}, true},
		"put off as before":     {Tally{OutOK: 1, Deferred: 7, Peers: peers}, Tally{OutOK: 5, Deferred: 20}, false},
		"of 51, with no word of what went well before": {Tally{InOK: 1, InFailed: 50, Peers: peers}, Tally{InFailed: 40}, true},
		"the same of servers":                          {Tally{OutOK: 1, OutFailed: 50, Peers: peers}, Tally{OutFailed: 40}, true},
		"servers, by what was sent":                    {Tally{OutOK: 8, OutFailed: 6, Peers: peers}, Tally{Sent: 90}, true},
		"nothing is logged any more":                   {Tally{Sent: 90, OutFailed: 6, Peers: peers}, Tally{OutOK: 90}, false},
		"a daemon died":                                {Tally{InOK: 90, died: map[string]int{"smtpd": 1}}, Tally{}, true},
		"one died, as before":                          {Tally{InOK: 90, died: map[string]int{"smtpd": 1}}, Tally{died: map[string]int{"smtpd": 2}}, false},
		"TLS is off":                                   {Tally{Warnings: []string{"warning: x: disabling TLS support"}}, Tally{}, true},
		"TLS is off as before":                         {Tally{Warnings: []string{"warning: x: disabling TLS support"}}, Tally{Warnings: []string{"warning: x: disabling TLS support"}}, false},
	} {
		if why := x.now.Worse(x.before); (why != "") != x.worse {
			t.Errorf("%s: %q", name, why)
		}
	}
}

// TestFollow: only what comes after the beginning counts, the rest is what was
// before; a log that was rotated is read from its start.
func TestFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.log")
	line := func(text string) string { return "Nov 23 10:00:00 mx postfix/smtpd[1]: " + text + "\n" }
	old := strings.Repeat(line("SSL_accept error from a[192.0.2.1]: -1"), 3)
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(old)
	f, ok := NewFollow(context.Background(), host.Local{}, Options{Log: maillog.Source{Path: path}})
	if !ok || f.Before.InFailed != 3 {
		t.Fatalf("%v %+v", ok, f.Before)
	}
	write(old + line("Anonymous TLS connection established from b[192.0.2.2]: TLSv1.3"))
	if err := f.Poll(context.Background()); err != nil || f.Now.InOK != 1 || f.Now.InFailed != 0 {
		t.Errorf("%v %+v", err, f.Now)
	}
	write(line("Anonymous TLS connection established from b[192.0.2.2]: TLSv1.3"))
	if err := f.Poll(context.Background()); err != nil || f.Now.InOK != 2 {
		t.Errorf("%v %+v", err, f.Now)
	}
	if _, ok := NewFollow(context.Background(), host.Local{}, Options{}); ok {
		t.Error("no log, and it can be read")
	}
	// What the handshakes that proved the run are logged as may come late.
	time.AfterFunc(100*time.Millisecond, func() { write(old + old) })
	if f, _ = NewFollow(context.Background(), host.Local{}, Options{Log: maillog.Source{Path: path}}); f.Before.InFailed != 6 || f.Poll(context.Background()) != nil || f.Now.InFailed != 0 {
		t.Errorf("%+v %+v", f.Before, f.Now)
	}
}

// TestFollowMuch: what comes after much is counted too, and a warning that was
// there before is not new.
func TestFollowMuch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.log")
	line := func(text string) string { return "Nov 23 10:00:00 mx postfix/smtpd[1]: " + text + "\n" }
	old := line("warning: No server certs available. TLS won't be enabled")
	noise := strings.Repeat(line("connect from a[192.0.2.1]"), 2*host.MaxFile/len(line("connect from a[192.0.2.1]")))
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(old)
	f, _ := NewFollow(context.Background(), host.Local{}, Options{Log: maillog.Source{Path: path}})
	begun := line("disconnect from a[192.0.2.1] ehlo=1 starttls=0/1 commands=1/2")
	write(old + noise + old + begun + line("disconnect from b[192.0.2.2] ehlo=2 starttls=1 commands=3")[:40])
	if err := f.Poll(context.Background()); err != nil || f.Now.InFailed != 1 || f.Now.InOK != 0 || f.Now.Peers["192.0.2.1"] != 1 || len(f.Now.Warnings) > 0 {
		t.Errorf("%v %+v", err, f.Now)
	}
	write(old + noise + old + begun + line("disconnect from b[192.0.2.2] ehlo=2 starttls=1 commands=3"))
	if err := f.Poll(context.Background()); err != nil || f.Now.InFailed != 1 || f.Now.InOK != 1 {
		t.Errorf("%v %+v", err, f.Now)
	}
}

// TestFollowStump: a line that is written in two pieces counts once, when it is whole.
func TestFollowStump(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.log")
	whole := "Nov 23 10:00:00 mx postfix/smtpd[1]: Anonymous TLS connection established from b[192.0.2.2]: TLSv1.3 with cipher X\n"
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	f, _ := NewFollow(context.Background(), host.Local{}, Options{Log: maillog.Source{Path: path}})
	for i, text := range []string{whole + whole[:len(whole)-9], whole + whole} {
		want := i + 1
		write(text)
		if err := f.Poll(context.Background()); err != nil || f.Now.InOK != want {
			t.Errorf("%v, %d handshakes after %q", err, f.Now.InOK, text)
		}
	}
}

// TestOld: what was logged before the time in question does not count.
func TestOld(t *testing.T) {
	old := "Jan  1 03:04:00 mx postfix/smtp[1]: 1: to=<b@example.org>, relay=none, delay=1, delays=0/0/1/0, dsn=4.7.5, status=deferred (Server certificate not verified)\n"
	path := t.TempDir() + "/log"
	if err := os.WriteFile(path, []byte(strings.Repeat(old, 6)), 0o600); err != nil {
		t.Fatal(err)
	}
	tr := &transaction{m: host.Local{}, o: Options{Log: maillog.Source{Path: path}}, Receipt: &Receipt{}}
	at := time.Date(time.Now().Year(), 1, 1, 3, 0, 0, 0, time.Local)
	if got := tr.tallyBefore(context.Background(), tr.o.Log.Mark(tr.m), at); got.Deferred != 6 {
		t.Errorf("%+v", got)
	}
	if got := tr.tallyBefore(context.Background(), tr.o.Log.Mark(tr.m), at.Add(time.Hour)); got.Deferred != 0 {
		t.Errorf("what is old counts: %+v", got)
	}
}

// TestStartPostfix: where systemd runs, Postfix is started as a unit of its own, and by
// itself where that fails or there is no systemd.
func TestStartPostfix(t *testing.T) {
	const unit = "systemd-run --quiet --collect --description=Postfix, started again by postseal --property=Type=forking --property=KillMode=process postfix -c /etc/postfix start"
	const alone = "postfix -c /etc/postfix start"
	for name, c := range map[string]struct {
		systemd  bool
		programs map[string]host.Output
		want     string
	}{
		"a unit":         {true, map[string]host.Output{unit: {Stdout: "unit"}}, "unit"},
		"a unit refused": {true, map[string]host.Output{unit: {Code: 1}, alone: {Stdout: "alone"}}, "alone"},
		"no systemd":     {false, map[string]host.Output{unit: {Stdout: "unit"}, alone: {Stdout: "alone"}}, "alone"},
	} {
		m := &host.Fake{Root: t.TempDir(), Programs: c.programs}
		if c.systemd {
			if err := os.MkdirAll(filepath.Join(m.Root, "run/systemd/system"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		tr := &transaction{m: m, Receipt: &Receipt{ConfigDir: "/etc/postfix"}}
		if o, err := tr.startPostfix(context.Background()); err != nil || o.Stdout != c.want {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
	}
}

// TestTimer: where systemd runs, one of its timers takes the run back, and
// confirming stops it.
func TestTimer(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "run/systemd/system"), 0o755); err != nil {
		t.Fatal(err)
	}
	const unit = "postseal-revert-0001-x"
	m := &host.Fake{Root: root, Programs: map[string]host.Output{
		"systemd-run --quiet --collect --unit=" + unit + " --description=postseal: revert an unconfirmed run --on-active=600s --timer-property=AccuracySec=1s /usr/bin/postseal revert --state-dir /st$$ate --run 0001-x": {},
		"systemctl stop " + unit + ".timer": {},
	}}
	o := Options{StateDir: "/state", Net: &Net{Within: 10 * 60e9, Command: []string{"/usr/bin/postseal", "revert", "--state-dir", "/st$ate"}}}
	rec := &host.Recorder{Machine: m}
	tr := &transaction{m: rec, o: o, store: store{rec, "/state"}, Receipt: &Receipt{ID: "0001-x", Kind: "apply", ConfigDir: "/etc/postfix", ConfirmBy: m.Now().Add(10 * time.Minute)}}
	if _, err := m.MkdirAll("/state", 0o700); err != nil {
		t.Fatal(err)
	}
	tr.Phase = Kept
	if err := tr.store.put(tr.store.receipt(tr.ID), tr.Receipt); err != nil {
		t.Fatal(err)
	}
	if err := tr.arm(context.Background(), ""); err != nil {
		t.Fatal(err)
	}
	u, err := Waiting(m, "/state")
	if err != nil || u == nil || u.Timer != unit {
		t.Fatalf("%v %+v", err, u)
	}
	if _, err := Confirm(context.Background(), rec, "/state", "", ""); err != nil {
		t.Fatal(err)
	}
	if u, _ := Waiting(m, "/state"); u != nil {
		t.Errorf("%+v", u)
	}
	if !slices.Contains(rec.Lines(), "systemctl stop "+unit+".timer -> 0") {
		t.Errorf("the timer runs on: %q", rec.Lines())
	}
}
