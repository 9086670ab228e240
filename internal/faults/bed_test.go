//go:build linux && amd64

package faults

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"postseal/internal/lab"
	"postseal/internal/story"
)

var all = flag.Bool("all", false, "inject every fault, and not a slice of them")

// built holds the program under test; self this one, which strikes inside a machine.
var built, self string

func TestMain(m *testing.M) {
	if order := os.Getenv("FAULTS_STRIKE"); order != "" {
		striker(order)
	}
	if dir := os.Getenv("FAULTS_CA"); dir != "" {
		serveCA(dir)
	}
	flag.Parse()
	dir, err := os.MkdirTemp("", "postseal-faults-")
	if err == nil {
		built = filepath.Join(dir, "postseal")
		self, err = os.Executable()
	}
	if err == nil {
		var out []byte
		if out, err = exec.Command("go", "build", "-o", built, "postseal/cmd/postseal").CombinedOutput(); err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	tally.print()
	os.Exit(code)
}

// striker is this program inside a machine: FAULTS_STRIKE is "BLOW N", and the
// arguments are what to run. It leaves what it hit in hitFile. FAULTS_FROM, if
// set, is a file: no change counts before it exists.
func striker(order string) {
	b, number, _ := strings.Cut(order, " ")
	n, _ := strconv.Atoi(number)
	if err := os.Unsetenv("FAULTS_STRIKE"); err != nil {
		panic(err)
	}
	hit, code, err := strike(blow(b), n, os.Getenv("FAULTS_FROM"), os.Args[1:])
	if err == nil {
		err = os.WriteFile(hitFile, []byte(hit), 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "striking:", err)
		os.Exit(99)
	}
	os.Exit(code)
}

const (
	hitFile  = "/tmp/hit"
	program  = "/usr/bin/postseal"
	stateDir = "/var/lib/postseal"
	ownDir   = "/etc/postseal"
	journal  = stateDir + "/journal.json"
)

// counts are the figures of make faults, by group.
type counts struct {
	mu     sync.Mutex
	groups []string
	done   map[string]*[2]int // injected, survived
}

var tally = counts{done: map[string]*[2]int{}}

func (c *counts) add(group string, survived bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done[group] == nil {
		c.done[group] = new([2]int)
		c.groups = append(c.groups, group)
	}
	c.done[group][0]++
	if survived {
		c.done[group][1]++
	}
}

func (c *counts) print() {
	if len(c.groups) == 0 {
		return
	}
	slices.Sort(c.groups)
	var sum [2]int
	for _, g := range c.groups {
		n := c.done[g]
		fmt.Printf("%-44s %4d faults injected, %4d survived, %d lost\n", g, n[0], n[1], n[0]-n[1])
		sum[0], sum[1] = sum[0]+n[0], sum[1]+n[1]
	}
	fmt.Printf("%-44s %4d faults injected, %4d survived, %d lost\n", "all", sum[0], sum[1], sum[0]-sum[1])
}

// mainCF names no log file: a master that is reloaded again and again can wait
// for ever for its own postlogd to read what it logs.
const mainCF = `compatibility_level = 3.6
myhostname = mx.example.org
mydestination = localhost
relay_domains = example.org
relay_transport = discard:
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
alias_maps =
notify_classes =
service_throttle_time = 3s

# TLS, from the wiki, 2011
smtpd_use_tls=yes
smtpd_tls_cert_file=/etc/ssl/mail/mx.pem
smtpd_tls_key_file=/etc/ssl/mail/mx.key
`

const masterCF = `smtp      inet  n       -       n       -       -       smtpd
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
error     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
proxymap  unix  -       -       n       -       -       proxymap
anvil     unix  -       -       n       -       1       anvil
`

const users = `submission inet n       -       n       -       -       smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=may
`

// bed is a machine with a running Postfix and postseal on it.
type bed struct {
	*story.Machine
	// master is master.cf as it is before any run.
	master string
	// apply is the command line that changes everything there is to change.
	apply []string
	// argv is the run that is struck; nil is apply.
	argv []string
	// before and after are main.cf and master.cf without and with the change.
	before, after [2]string
}

// router is a bed whose apply changes main.cf.
func router(t *testing.T) *bed {
	return newBed(t, masterCF, "apply", "--yes", "--no-rehearsal", "--accept-risk", "drop-tls10,drop-old-ciphers,drop-old-ciphers")
}

// mailserver is a bed whose apply changes master.cf too.
func mailserver(t *testing.T) *bed {
	return newBed(t, masterCF+users, "apply", "--yes", "--no-rehearsal", "--submission", "encrypt-and-465", "--accept-risk", "drop-tls10,drop-old-ciphers,require-submission-tls")
}

// netted is a bed whose apply would go back by itself.
func netted(t *testing.T) *bed {
	return newBed(t, masterCF, "apply", "--yes", "--no-rehearsal", "--confirm-within", "1h", "--accept-risk", "drop-tls10,drop-old-ciphers,drop-old-ciphers")
}

// rehearsed is a bed whose apply rehearses first, sending too.
func rehearsed(t *testing.T) *bed {
	return newBed(t, masterCF+"smtp unix - - n - - smtp\n", "apply", "--yes", "--accept-risk", "drop-tls10,drop-old-ciphers,drop-old-ciphers")
}

func newBed(t *testing.T, master string, apply ...string) *bed {
	t.Helper()
	lab.NeedRoot(t)
	lab.Need(t, "postfix", "unshare", "nsenter", "ip")
	m, err := story.NewMachine(lab.Dir(t), programs()) // whose name has no comma, as the names of tests may
	if err != nil {
		t.Fatal(err)
	}
	return newBedOn(t, m, master, apply...)
}

// programs are those under test, and this one.
func programs() map[string]string {
	return map[string]string{program: built, "/usr/bin/striker": self}
}

// newBedOn makes a bed of a machine.
func newBedOn(t *testing.T, m *story.Machine, master string, apply ...string) *bed {
	t.Helper()
	t.Cleanup(m.Stop)
	b := &bed{Machine: m, master: master, apply: append([]string{program}, apply...)}
	leaf := lab.NewCA(t).Issue(t, lab.Leaf{RSA: true})
	b.must(t, "rm", "-rf", ownDir, stateDir)
	b.put(t, "/etc/postfix/main.cf", mainCF, 0o644)
	b.put(t, "/etc/postfix/master.cf", master, 0o644)
	b.put(t, "/etc/ssl/mail/mx.pem", leaf.Cert, 0o644)
	b.put(t, "/etc/ssl/mail/mx.key", leaf.Key, 0o600)
	b.put(t, "/etc/resolv.conf", "nameserver 127.0.0.1\n", 0o644)
	b.cool(t)
	b.must(t, "mv", "/usr/sbin/postfix", "/usr/sbin/postfix.real")
	b.put(t, "/usr/sbin/postfix", hooked, 0o755)
	b.put(t, quickStart, "", 0o600)
	b.must(t, "postfix", "start")
	b.before = b.files(t)
	b.keep(t, "fresh")
	return b
}

// quickStart is a file that lets postfix(1) leave its checks out once: what they
// look at was installed with Postfix.
const quickStart = "/var/spool/postfix/quick-start"

// hooked stands for postfix(1): what is in /run/on-VERB runs before it does.
const hooked = `#!/bin/sh
for verb in "$@"; do :; done
[ ! -e "/run/on-$verb" ] || . "/run/on-$verb"
exec /usr/sbin/postfix.real "$@"
`

// failed is a hook that makes a reload fail once. From then on failedFile exists.
const (
	failed     = "rm /run/on-reload; touch " + failedFile + "; echo broken >&2; exit 1"
	failedFile = "/run/reload-failed"
)

// killed is a hook that ends the run which called postfix, as kill -9 does.
const killed = "rm /run/on-reload; kill -9 $PPID; exit"

// on makes a script run when postseal calls postfix(1) with a verb.
func (b *bed) on(t *testing.T, verb, script string) {
	t.Helper()
	b.put(t, "/run/on-"+verb, script+"\n", 0o644)
}

// changed notes what the files are after the apply. They are the same on every
// bed that starts with the same files.
func (b *bed) changed(t *testing.T) {
	t.Helper()
	known, ok := made.Load(b.before)
	if !ok {
		b.must(t, b.apply...)
		known = b.files(t)
		b.back(t, "fresh")
		made.Store(b.before, known)
	}
	b.after = known.([2]string)
}

var made sync.Map // main.cf and master.cf before, to after

// cool makes main.cf look as if it had been written a minute ago: Postfix
// waits for a younger one.
func (b *bed) cool(t *testing.T) {
	t.Helper()
	then := time.Now().Add(-time.Minute)
	if err := os.Chtimes(b.Path("/etc/postfix/main.cf"), then, then); err != nil {
		t.Fatal(err)
	}
}

func (b *bed) put(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	if err := b.Write(path, text, mode); err != nil {
		t.Fatal(err)
	}
}

func (b *bed) must(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := b.Run(argv...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// do runs a program inside and returns its exit code, as a shell tells it, and
// what it said.
func (b *bed) do(argv ...string) (int, string) {
	out, err := b.Run(argv...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return 128 + int(ws.Signal()), out
		}
		return exit.ExitCode(), out
	}
	if err != nil {
		return -1, err.Error()
	}
	return 0, out
}

// struck is how a run with a fault ended.
type struck struct {
	hit  string // what was hit; "" if the run had ended before
	code int
	out  string
}

// strike runs a program inside and strikes at its nth change.
func (b *bed) strike(how blow, n int, argv ...string) struck {
	return b.strikeFrom("", how, n, argv...)
}

// strikeFrom is strike that counts no change before a file exists.
func (b *bed) strikeFrom(from string, how blow, n int, argv ...string) struck {
	_ = os.Remove(b.Path(hitFile))
	if from != "" {
		_ = os.Remove(b.Path(from))
	}
	code, out := b.do(append([]string{"env", fmt.Sprintf("FAULTS_STRIKE=%s %d", how, n), "FAULTS_FROM=" + from, "/usr/bin/striker"}, argv...)...)
	hit, err := os.ReadFile(b.Path(hitFile))
	if err != nil {
		return struck{"", 99, out + err.Error()}
	}
	return struck{string(hit), code, out}
}

// files are main.cf and master.cf as they are.
func (b *bed) files(t *testing.T) (out [2]string) {
	t.Helper()
	for i, name := range []string{"main.cf", "master.cf"} {
		text, err := os.ReadFile(b.Path("/etc/postfix/" + name))
		if err != nil {
			t.Fatal(err)
		}
		out[i] = string(text)
	}
	return out
}

// exists reports whether there is something at a path inside.
func (b *bed) exists(path string) bool {
	_, err := os.Lstat(b.Path(path))
	return err == nil
}

// keep copies what postseal writes, under a name; back puts the copy in place
// and makes it live.
func (b *bed) keep(t *testing.T, name string) {
	t.Helper()
	b.must(t, "sh", "-c", `rm -rf /keep/`+name+`; mkdir -p /keep/`+name+`/etc /keep/`+name+`/var/lib; cp -a /etc/postfix /keep/`+name+`/etc/
for d in /etc/postseal /var/lib/postseal; do [ ! -e $d ] || cp -a $d /keep/`+name+`$d; done`)
}

func (b *bed) back(t *testing.T, name string) {
	t.Helper()
	b.must(t, "sh", "-c", `set -e
pkill -KILL -f "[r]evert-unconfirmed" || true # of runs that are no more; each looks twice a second
for i in $(seq 100); do pgrep -f "[r]evert-unconfirmed" >/dev/null || break; sleep 0.05; done
rm -f /run/on-*
find /etc/postfix -maxdepth 1 -type f -delete; rm -rf /etc/postseal /var/lib/postseal; cp -a /keep/`+name+`/. /
if pgrep -x master >/dev/null; then kill -HUP $(cat /var/spool/postfix/pid/master.pid); else touch `+quickStart+`; postfix start; fi`)
}

// inside runs f on a thread in the network of the machine.
func (b *bed) inside(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with f
		net, err := os.Open(strings.TrimSuffix(b.Path(""), "root") + "ns/net")
		if err == nil {
			err = unix.Setns(int(net.Fd()), unix.CLONE_NEWNET)
			_ = net.Close()
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// mail hands a message to port 25, by STARTTLS, and wants it to be taken.
func (b *bed) mail() error { return b.mailTo("127.0.0.1:25") }

func (b *bed) mailTo(addr string) error {
	return b.inside(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		if deadline, ok := ctx.Deadline(); ok {
			_ = conn.SetDeadline(deadline)
		}
		c, err := smtp.NewClient(conn, "mx.example.org")
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil {
			return fmt.Errorf("STARTTLS: %w", err)
		}
		if err := errors.Join(c.Mail("a@example.com"), c.Rcpt("b@example.org")); err != nil {
			return err
		}
		w, err := c.Data()
		if err != nil {
			return err
		}
		_, err = w.Write([]byte("Subject: still here\r\n\r\nhello\r\n"))
		return errors.Join(err, w.Close(), c.Quit())
	})
}

// waits reports whether a run waits to be confirmed.
func (b *bed) waits() bool {
	paths, _ := filepath.Glob(b.Path(stateDir + "/receipts/*.json"))
	return slices.ContainsFunc(paths, func(path string) bool {
		var r struct {
			Kind, Phase string
			ConfirmBy   string `json:"confirm_by"`
			Confirmed   bool
		}
		text, err := os.ReadFile(path)
		return err == nil && json.Unmarshal(text, &r) == nil && r.Kind == "apply" && r.Phase == "kept" && r.ConfirmBy != "" && !r.Confirmed
	})
}

// exposed is an error if a private key can be read by others than root.
func (b *bed) exposed() (exposed error) {
	roots := []string{b.Path("/etc/postfix"), b.Path(ownDir), b.Path(stateDir)}
	for _, dir := range []string{"/run", "/tmp"} {
		folders, _ := filepath.Glob(b.Path(dir + "/postseal-*"))
		roots = append(roots, folders...)
	}
	for _, root := range roots {
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil //nolint:nilerr // a folder that is not there holds nothing
			}
			st, err := os.Stat(path)
			if err != nil {
				return nil //nolint:nilerr // nor does a file that has gone meanwhile
			}
			text, err := os.ReadFile(path)
			if err == nil && strings.Contains(string(text), "PRIVATE KEY-----") && st.Mode().Perm() != 0o600 {
				exposed = fmt.Errorf("a private key has mode %o: %s", st.Mode().Perm(), strings.TrimPrefix(path, b.Path("")))
			}
			return nil
		})
	}
	return exposed
}

// left are the files that a run must not leave behind when it has ended.
func (b *bed) left() (out []string) {
	receipts := map[string]bool{}
	paths, _ := filepath.Glob(b.Path(stateDir + "/receipts/*.json"))
	for _, p := range paths {
		receipts[strings.TrimSuffix(filepath.Base(p), ".json")] = true
	}
	for _, dir := range []string{"/run", "/tmp"} {
		folders, _ := filepath.Glob(b.Path(dir + "/postseal-rehearse-*"))
		out = append(out, folders...)
	}
	for _, dir := range []string{"/etc/postfix", ownDir, stateDir} {
		root := b.Path(dir)
		_ = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil //nolint:nilerr // a folder that is not there holds nothing
			}
			rel, _ := filepath.Rel(root, p)
			name := d.Name()
			orphan := d.IsDir() && filepath.Dir(rel) == "backups" && !receipts[name]
			confirmed := name == "unconfirmed.json" && !b.waits()
			if confirmed || strings.HasSuffix(name, ".postseal") || strings.HasSuffix(name, ".tmp") || name == "journal.json" || orphan ||
				filepath.Dir(rel) == "staging" || strings.HasPrefix(name, "new-") {
				out = append(out, filepath.Join(dir, rel))
			}
			return nil
		})
	}
	return out
}
