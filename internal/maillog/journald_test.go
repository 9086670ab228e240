package maillog_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/maillog"
)

// TestJournald: a real journal of our own knows which account sent a line. Those of
// Postfix count; the same words from another account do not, whatever tag it gives.
func TestJournald(t *testing.T) {
	lab.NeedRoot(t)
	lab.Need(t, "unshare", "journalctl", "logger", "postlog", "setpriv")
	if os.Getenv("JOURNALD_TEST") == "" {
		cmd := exec.Command("unshare", "--mount", os.Args[0], "-test.run=^TestJournald$", "-test.v")
		cmd.Env = append(os.Environ(), "JOURNALD_TEST=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	run := func(words ...string) {
		t.Helper()
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil { //nolint:gosec // the test's own words
			t.Fatalf("%q: %v\n%s", words, err, out)
		}
	}
	// Postfix's own programs have no journal of their own here: /dev/log is this one.
	run("mount", "--make-rprivate", "/")
	run("mount", "-t", "tmpfs", "-o", "mode=755", "journal", "/run")
	run("mount", "-t", "tmpfs", "-o", "mode=755", "journal", "/var/log")
	run("mkdir", "-p", "/run/systemd/journal")
	run("mount", "-t", "tmpfs", "-o", "mode=755", "journal", "/etc/systemd")
	if err := os.WriteFile("/etc/systemd/journald.conf", []byte("[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\nRateLimitBurst=0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	journald := exec.Command("/lib/systemd/systemd-journald")
	if err := journald.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = journald.Process.Kill(); _ = journald.Wait() }()
	const socket = "/run/systemd/journal/dev-log"
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the journal does not come up")
		}
	}
	// A tmpfs takes the place of /dev, with a link to the journal as systemd makes it.
	run("mkdir", "-p", "/run/dev")
	run("mount", "-t", "tmpfs", "-o", "mode=755", "dev", "/run/dev")
	run("cp", "-a", "/dev/null", "/dev/zero", "/dev/urandom", "/run/dev/")
	run("ln", "-s", socket, "/run/dev/log")
	run("mount", "--move", "/run/dev", "/dev")

	since := maillog.Source{Journal: true, Accounts: []int{0}}.Mark(host.Local{})
	as := func(user string, words ...string) {
		run(append([]string{"setpriv", "--reuid", user, "--clear-groups"}, words...)...)
	}
	forged := []string{"logger", "-u", socket, "-p", "mail.err", "-t", "postfix/smtpd", "--id=77", "fatal: forged"}
	// More than one read holds: of another account, and then of Postfix.
	flood := filepath.Join(t.TempDir(), "flood")
	const many = 2500
	if err := os.WriteFile(flood, []byte(strings.Repeat(strings.Repeat("x", 2000)+"\n", many)), 0o644); err != nil { //nolint:gosec // nobody reads it
		t.Fatal(err)
	}
	run("chmod", "-R", "a+rX", filepath.Dir(filepath.Dir(flood)))
	flooding := []string{"logger", "-u", socket, "-p", "mail.info", "-t", "postfix/smtpd", "--size", "4000", "-f", flood}
	as("nobody", flooding...)
	run("postlog", "-t", "postfix/master", "-p", "fatal", "the real one")
	as("nobody", forged...)
	as("postfix", slices.Concat(forged[:len(forged)-1], []string{"by the account of Postfix"})...)
	run("journalctl", "--sync")

	accounts := []int{0}
	if uid, known := host.UserID("postfix"); known {
		accounts = append(accounts, uid)
	}
	log := maillog.Source{Journal: true, Accounts: accounts}
	lines, mark, err := log.Since(context.Background(), host.Local{}, since)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, l := range lines {
		texts = append(texts, l.Program+": "+l.Text)
		if age := time.Since(l.When(time.Now())); age < -time.Minute || age > time.Minute || l.PID == 0 {
			t.Errorf("%+v", l)
		}
	}
	if want := []string{"master: fatal: the real one", "smtpd: by the account of Postfix"}; !slices.Equal(texts, want) {
		t.Errorf("%q, want %q", texts, want)
	}

	// It goes on behind what was read, and through all of it.
	as("postfix", flooding...)
	run("postlog", "-t", "postfix/master", "-p", "fatal", "the last one")
	run("journalctl", "--sync")
	var all []maillog.Line
	for reads := 0; reads < 10; reads++ {
		lines, next, err := log.Since(context.Background(), host.Local{}, mark)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, lines...)
		if next == mark {
			break
		}
		mark = next
	}
	if len(all) != many+1 || all[many].Text != "fatal: the last one" {
		t.Errorf("%d lines after the first", len(all))
	}
}
