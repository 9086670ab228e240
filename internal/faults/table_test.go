//go:build linux && amd64

package faults

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// trouble is one thing that goes wrong around a run.
type trouble struct {
	group, name string
	bed         func(*testing.T) *bed // nil is router
	first       string                // a shell script that makes the trouble
	// on maps a verb of postfix(1) to a script that runs when postseal calls it.
	on map[string]string
	// run is what is run, in a shell; "" is the bed's apply.
	run string
	// code is the exit code, says what must be in what it prints.
	code int
	says []string
	// changed: the new files are in place after the run.
	changed bool
	// deaf: mail is not taken while the trouble lasts, and the run has said why.
	deaf bool
	// mend ends the trouble. Then what next says must work, and an apply.
	mend, next string
	// keeps: the backups stay although no receipt speaks of them.
	keeps bool
	// slow are only among all: a time limit has to pass.
	slow bool
}

// onTmpfs puts a file system of its own over a folder, with what is in it.
func onTmpfs(dir, options string) string {
	return fmt.Sprintf("mkdir -p %[1]s /tmp/was; cp -a %[1]s/. /tmp/was; mount -t tmpfs -o mode=755,%[2]s t %[1]s; cp -a /tmp/was/. %[1]s; ", dir, options)
}

// fill takes all the room there is.
func fill(dir string) string {
	return "dd if=/dev/zero of=" + dir + "/fill bs=4k 2>/dev/null; true"
}

func readonly(dir string) string {
	return fmt.Sprintf("mkdir -p %[1]s; mount --bind %[1]s %[1]s; mount -o remount,bind,ro %[1]s", dir)
}

// listener is a program that is no mail server.
const listener = "openssl s_server -accept %s -cert /etc/ssl/mail/mx.pem -key /etc/ssl/mail/mx.key >/dev/null 2>&1 </dev/zero & "

func listen(port string) string {
	return fmt.Sprintf(listener, port) + "echo $! >/run/listener; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.05; openssl s_client -connect 127.0.0.1:" + port + " </dev/null >/dev/null 2>&1 && break; done"
}

// goesBack takes back the only run, which waits to be confirmed, as what waits for
// its time does when it is up.
const goesBack = program + " revert-unconfirmed --config-dir /etc/postfix --state-dir " + stateDir + " --run $(basename " + stateDir + "/receipts/*.json .json) && [ ! -e " + stateDir + "/unconfirmed.json ]"

const deafen = "kill $(cat /run/listener)"

func withListener(master, main string) func(*testing.T) *bed {
	return func(t *testing.T) *bed {
		t.Helper()
		b := newBed(t, master, "apply", "--yes", "--no-rehearsal", "--accept-risk", "drop-tls10,drop-old-ciphers,drop-old-ciphers")
		if main != "" {
			b.must(t, "postconf", "-e", main)
		}
		return b
	}
}

var troubles = []trouble{
	{group: "disc full", name: "no room in /etc/postfix", first: onTmpfs("/etc/postfix", "size=256k") + fill("/etc/postfix"),
		code: 5, says: []string{"no space left", "df -h /etc/postfix"}, mend: "rm /etc/postfix/fill"},
	{group: "disc full", name: "no inodes in /etc/postfix", first: onTmpfs("/etc/postfix", "nr_inodes=40") + "i=0; while touch /etc/postfix/fill$i; do i=$((i+1)); done 2>/dev/null; true",
		code: 1, says: []string{"no space left", "df -i /etc/postfix"}, mend: "rm /etc/postfix/fill*"},
	{group: "disc full", name: "no room for the state", first: onTmpfs(stateDir, "size=1m") + fill(stateDir),
		code: 1, says: []string{"no space left", "df -h " + stateDir}, mend: "rm " + stateDir + "/fill"},
	{group: "disc full", name: "no room for the key", first: onTmpfs(ownDir, "size=1m") + fill(ownDir),
		code: 5, says: []string{"no space left", "df -h " + ownDir}, mend: "rm " + ownDir + "/fill"},
	{group: "disc full", name: "/etc/postfix, and the reload fails", first: onTmpfs("/etc/postfix", "size=256k"), on: map[string]string{"reload": fill("/etc/postfix") + "; exit 1"},
		code: 6, says: []string{"no space left", stateDir + "/backups/", "postseal undo"}, changed: true, mend: "rm /run/on-reload /etc/postfix/fill", next: "undo"},

	{group: "read-only mount", name: "/etc/postfix", first: readonly("/etc/postfix"), code: 1, says: []string{"read-only file system", "findmnt -T /etc/postfix"}, mend: "umount -l /etc/postfix"},
	{group: "read-only mount", name: "the state", first: readonly(stateDir), code: 1, says: []string{"read-only file system", "findmnt -T " + stateDir}, mend: "umount -l " + stateDir},
	{group: "read-only mount", name: "/etc/postseal", first: readonly(ownDir), code: 5, says: []string{"read-only file system", "findmnt -T " + ownDir}, mend: "umount -l " + ownDir},
	{group: "read-only mount", name: "main.cf is a mount itself", first: "mount --bind /etc/postfix/main.cf /etc/postfix/main.cf", code: 1, says: []string{"a mount point of its own", "findmnt -T /etc/postfix/main.cf"}, mend: "umount -l /etc/postfix/main.cf"},
	{group: "read-only mount", name: "/etc/postfix, after the locks", on: map[string]string{"status": "rm /run/on-status; " + readonly("/etc/postfix")},
		code: 5, says: []string{"read-only file system", "findmnt -T /etc/postfix"}, mend: "umount -l /etc/postfix"},
	{group: "read-only mount", name: "/etc/postfix, and the reload fails", on: map[string]string{"reload": readonly("/etc/postfix") + "; exit 1"},
		code: 6, says: []string{"read-only file system", "/backups/", "postseal undo"}, changed: true, mend: "umount -l /etc/postfix; rm /run/on-reload", next: "undo"},

	{group: "permission refused", name: "not root", run: "setpriv --reuid 65534 --regid 65534 --clear-groups $APPLY", code: 1, says: []string{"root"}},
	{group: "permission refused", name: "main.cf is immutable", first: "chattr +i /etc/postfix/main.cf", code: 5, says: []string{"operation not permitted", "chattr -i"}, mend: "chattr -i /etc/postfix/main.cf"},
	{group: "permission refused", name: "/etc/postfix is immutable", first: "chattr +i /etc/postfix", code: 1, says: []string{"operation not permitted", "chattr -i"}, mend: "chattr -i /etc/postfix"},
	{group: "permission refused", name: "the state is immutable", first: "mkdir -p " + stateDir + "; chattr +i " + stateDir, code: 1, says: []string{"operation not permitted", "chattr -i"}, mend: "chattr -i " + stateDir},

	{group: "reload fails", name: "once", on: map[string]string{"reload": "rm /run/on-reload; echo broken >&2; exit 1"}, code: 5, says: []string{"reload ended with 1: broken", "hint: "}},
	{group: "reload fails", name: "always", on: map[string]string{"reload": "echo broken >&2; exit 1"}, code: 6, says: []string{"reload ended with 1: broken", stateDir + "/backups/", "postseal undo"}, mend: "rm /run/on-reload", next: "undo"},
	{group: "reload fails", name: "and Postfix is gone", on: map[string]string{"reload": "rm /run/on-reload; postfix.real stop; exit 1"}, code: 5, says: []string{"start Postfix again", "hint: "}},
	{group: "reload fails", name: "for ever", on: map[string]string{"reload": "rm /run/on-reload; exec sleep 300"}, code: 5, says: []string{"did not finish in time"}, slow: true},
	{group: "reload fails", name: "Postfix ends right after it", on: map[string]string{"reload": "rm /run/on-reload; postfix.real stop; exit 0"}, code: 5, says: []string{"start Postfix again"}, slow: true},
	{group: "reload fails", name: "and undo's too", run: "$APPLY && cp /run/hook /run/on-reload && $UNDO", first: "echo 'rm /run/on-reload; exit 1' >/run/hook", code: 5, says: []string{"hint: "}, changed: true},

	{group: "Postfix stopped", name: "before", first: "postfix stop", code: 1, says: []string{"not running", "postfix -c /etc/postfix start", "--files-only"}, deaf: true, mend: "postfix start"},
	{group: "Postfix stopped", name: "before, for an undo", run: "$APPLY && postfix stop && $UNDO", code: 1, says: []string{"not running", "--files-only"}, changed: true, deaf: true, mend: "postfix start"},
	{group: "Postfix stopped", name: "while the locks are held", on: map[string]string{"status": "postfix.real stop"}, code: 1, says: []string{"not running", "--files-only"}, deaf: true, mend: "rm /run/on-status; postfix start"},

	{group: "port taken", name: "25, by something else", first: "postfix stop; " + listen("25"), code: 1, says: []string{"not running"}, deaf: true, mend: deafen + "; postfix start"},
	{group: "port taken", name: "465, before", bed: mailserver, first: listen("465"), code: 1, says: []string{"another program listens on 127.0.0.1:465 already", "ss -ltnp"}, mend: deafen, slow: true},
	{group: "port taken", name: "465, while it writes", bed: mailserver, on: map[string]string{"reload": "rm /run/on-reload; " + listen("465")}, code: 5, says: []string{"465"}, mend: deafen, slow: true},

	{group: "listeners", name: "behind a proxy", bed: withListener(masterCF+"26 inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy\n", ""), changed: true},
	{group: "listeners", name: "postscreen", bed: withListener(strings.Replace(masterCF, "smtp      inet  n       -       n       -       -       smtpd\n", "smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\ndnsblog unix - - n - 0 dnsblog\ntlsproxy unix - - n - 0 tlsproxy\n", 1), ""), changed: true},

	{group: "certificate vanished", name: "between plan and apply", first: program + " plan --out /tmp/plan; rm /etc/ssl/mail/mx.key", run: program + " apply --plan /tmp/plan --yes --accept-risk drop-tls10,drop-old-ciphers",
		code: 1, says: []string{"mx.key", "hint: "}, deaf: true, mend: "cp /keep/mx.key /etc/ssl/mail/"},
	{group: "certificate vanished", name: "after it was read", on: map[string]string{"status": "rm -f /etc/ssl/mail/mx.key"}, changed: true, mend: "cp /keep/mx.key /etc/ssl/mail/"},
	{group: "certificate vanished", name: "the new one, before the reload", on: map[string]string{"reload": "rm /run/on-reload /etc/postseal/certs/*/rsa.pem"}, code: 5, says: []string{"rolled back"}, slow: true},
	{group: "certificate vanished", name: "the old one, before undo", run: "$APPLY && rm /etc/ssl/mail/mx.key && $UNDO", code: 5, says: []string{"not undone"}, changed: true, mend: "cp /keep/mx.key /etc/ssl/mail/", slow: true},

	{group: "edited while it waits", name: "another line", run: "$APPLY --confirm-within 1h && postconf -e smtpd_banner=hello && " + goesBack + " && [ $(postconf -h smtpd_banner) = hello ] && sed -i /^smtpd_banner/d /etc/postfix/main.cf"},
	{group: "edited while it waits", name: "the block", run: "$APPLY --confirm-within 1h && postconf -e smtpd_tls_loglevel=3 && " + goesBack + " && grep -x 'smtpd_tls_loglevel *= *3' /etc/postfix/main.cf.edited-* && rm /etc/postfix/main.cf.edited-*"},

	{group: "state lost", name: "after an apply", run: "$APPLY && rm -rf " + stateDir + " && $UNDO", code: 1, says: []string{"nothing to undo"}, changed: true},
	{group: "state lost", name: "while it reloads", on: map[string]string{"reload": "rm -rf " + stateDir}, code: 5, says: []string{"rolled back", "hint: "}, mend: "rm /run/on-reload"},
	{group: "state lost", name: "of a run that was killed", on: map[string]string{"reload": killed}, run: "$APPLY; rm -rf " + stateDir + "; $APPLY", changed: true},
	{group: "state lost", name: "the backups of a run that was killed", on: map[string]string{"reload": killed}, run: "$APPLY; rm -rf " + stateDir + "/backups; $UNDO",
		code: 6, says: []string{"/backups/", "rm " + journal}, changed: true, keeps: true, mend: "rm " + journal},
	{group: "state lost", name: "the journal is torn", on: map[string]string{"reload": killed}, run: "$APPLY; truncate -s 100 " + journal + "; $APPLY",
		code: 1, says: []string{journal, "then move the journal away"}, changed: true, keeps: true, mend: "rm " + journal},
	{group: "state lost", name: "a receipt is torn", run: "$APPLY; truncate -s 100 " + stateDir + "/receipts/*; $UNDO", code: 1, says: []string{"receipts/", "move it away"}, changed: true, keeps: true, mend: "rm " + stateDir + "/receipts/*"},

	{group: "clock", name: "receipts from the future", changed: false, run: "$APPLY && $UNDO && cd " + stateDir + " && for f in receipts/0001* backups/0001*; do mv $f $(echo $f | sed s/-20/-21/); done && sed -i 's/-20\\(.*\\)\"id/&/; s/\"when\": \"20/\"when\": \"21/; s/\\(\"id\": \"0001-\\)20/\\121/; s/\\(\"undoes\": \"0001-\\)20/\\121/' receipts/* && $APPLY && $UNDO && ! $UNDO",
		says: []string{"nothing to undo"}},

	{group: "two at once", name: "two applies", run: "for i in 1 2 3 4 5 6; do $APPLY >/tmp/a 2>&1 & a=$!; $APPLY >/tmp/b 2>&1 & b=$!; wait $a; ca=$?; wait $b; cb=$?; cat /tmp/a /tmp/b; case $ca$cb in 00|01|10) ;; *) echo codes $ca $cb; exit 9;; esac; case $ca$cb in 00) ;; *) grep -q 'another postseal is running\\|changed since' /tmp/a /tmp/b || exit 8;; esac; $UNDO || exit 7; done"},
	{group: "two at once", name: "apply and undo", run: "$APPLY || exit 9; for i in 1 2 3 4 5 6; do $APPLY --log-level 2 >/tmp/a 2>&1 & a=$!; $UNDO >/tmp/b 2>&1 & b=$!; wait $a; ca=$?; wait $b; cb=$?; case $ca$cb in 00|01|10) ;; *) tail -n 15 /tmp/a; tail -n 3 /tmp/b; echo codes $ca $cb; exit 8;; esac; done; while $UNDO; do :; done"},
	{group: "two at once", name: "apply and postconf -e", run: "(for i in 1 2 3 4 5 6 7 8 9 10; do postconf -e relay_domains=example.org,n$i.example.org || exit 1; done) & e=$!; $APPLY; c=$?; wait $e || exit 9; postconf -h relay_domains; case $c in 0|1|5) ;; *) exit 8;; esac; postconf -h relay_domains | grep -q n10 || exit 7; [ $c != 0 ] || $UNDO || true; postconf -h relay_domains | grep -q n10 || exit 6; echo c=$c; cp -a /keep/fresh/etc/postfix/main.cf /etc/postfix/; rm -rf /etc/postseal /var/lib/postseal; postfix reload"},
}

func (x trouble) unit() string { return x.group + ": " + x.name }

func TestTroubles(t *testing.T) {
	for _, x := range troubles {
		t.Run(strings.ReplaceAll(x.unit(), " ", "_"), func(t *testing.T) {
			if x.slow && !*all {
				t.Skip("a time limit has to pass: make faults")
			}
			skipOthers(t, x.unit())
			t.Parallel()
			if x.bed == nil {
				x.bed = router
			}
			b := x.bed(t)
			b.must(t, "cp", "/etc/ssl/mail/mx.key", "/keep/mx.key")
			b.changed(t)
			err := x.inject(t, b)
			tally.add(x.group, err == nil)
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// inject makes the trouble, runs what is to be run, looks what came of it, and
// lets the next run put it right.
func (x trouble) inject(t *testing.T, b *bed) error {
	t.Helper()
	if x.first != "" {
		b.must(t, "sh", "-c", x.first)
	}
	for verb, script := range x.on {
		b.on(t, verb, script)
	}
	run := x.run
	if run == "" {
		run = "$APPLY"
	}
	start := time.Now()
	code, out := b.do("env", "APPLY="+strings.Join(b.apply, " "), "UNDO="+strings.Join(undo, " "), "sh", "-c", run)
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%s\nexit code %d after %v\n%s", fmt.Sprintf(format, args...), code, time.Since(start).Round(time.Millisecond), indent(out))
	}
	if code != x.code {
		return fail("want exit code %d", x.code)
	}
	for _, s := range x.says {
		if !strings.Contains(out, s) {
			return fail("it does not say %q", s)
		}
	}
	is, err := b.state(t)
	if err != nil || is != [2]bool{x.changed, x.changed} {
		return fail("new files %v, want %v: %v", is, x.changed, err)
	}
	if !x.deaf {
		if err := b.mail(); err != nil {
			return fail("mail is not taken: %v", err)
		}
	}
	if x.mend != "" {
		b.must(t, "sh", "-c", x.mend)
	}
	_ = os.Remove(b.Path("/run/on-status"))
	if x.next == "undo" {
		if code, out := b.do(undo...); code != 0 {
			return fail("then undo ends with %d: %s", code, indent(out))
		}
		if is, err := b.state(t); err != nil || is != [2]bool{} {
			return fail("after undo: new files %v, %v", is, err)
		}
	}
	if code, out := b.do(b.apply...); code != 0 {
		return fail("then apply ends with %d: %s", code, indent(out))
	}
	if is, err := b.state(t); err != nil || is != [2]bool{true, true} {
		return fail("after the next apply: new files %v, %v", is, err)
	}
	if err := b.mail(); err != nil {
		return fail("mail is not taken after the next apply: %v", err)
	}
	left := b.left()
	if x.keeps {
		left = slices.DeleteFunc(left, func(p string) bool { return filepath.Dir(p) == stateDir+"/backups" })
	}
	if len(left) > 0 {
		return fail("left behind after the next apply: %s", strings.Join(left, ", "))
	}
	return nil
}

// TestClock puts the clock wrong in the middle of an apply, and lets it be right
// again for the undo.
func TestClock(t *testing.T) {
	for how, year := range map[blow]int{back: time.Now().Year() - 10, on: time.Now().Year() + 10} {
		t.Run(string(how), func(t *testing.T) {
			skipOthers(t, "clock "+string(how))
			t.Parallel()
			b := router(t)
			b.changed(t)
			step := 60
			if *all {
				step = 5
			}
			for n := 1; n < 150; n += step {
				b.back(t, "fresh")
				r := b.strike(how, n, b.apply...)
				err := b.afterJump(t, r, n, year)
				tally.add("clock", err == nil)
				if err != nil {
					t.Errorf("%s %d (%s), exit code %d: %v\n%s", how, n, r.hit, r.code, err, indent(r.out))
				}
			}
		})
	}
}

func (b *bed) afterJump(t *testing.T, r struck, n, year int) error {
	t.Helper()
	is, err := b.state(t)
	if r.code != 0 || is != [2]bool{true, true} || err != nil {
		return errors.Join(fmt.Errorf("new files %v", is), err)
	}
	if jumped := b.must(t, "ls", stateDir+"/receipts"); n == 1 && !strings.Contains(jumped, fmt.Sprintf("0001-%d", year)) {
		return fmt.Errorf("the clock did not jump: %s", jumped)
	}
	if err := b.mail(); err != nil {
		return fmt.Errorf("mail is not taken: %w", err)
	}
	if code, out := b.do(undo...); code != 0 {
		return fmt.Errorf("undo ends with %d: %s", code, out)
	}
	if is, err := b.state(t); err != nil || is != [2]bool{} {
		return errors.Join(fmt.Errorf("after undo: new files %v", is), err)
	}
	if err := b.mail(); err != nil {
		return fmt.Errorf("mail is not taken after undo: %w", err)
	}
	if left := b.left(); len(left) > 0 {
		return fmt.Errorf("left behind: %s", strings.Join(left, ", "))
	}
	return nil
}
