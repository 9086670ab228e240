package story

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// Flow is what senders saw while mail flowed.
type Flow struct {
	// Sent are messages that the server took, Refused why it did not take one.
	Sent    int
	Refused []string
	// Shown counts, for each kind of key, the messages by the leaf that was
	// shown, in hex.
	Shown map[string]map[string]int
}

// senders are clients of different age: the one takes ECDSA, the others have
// nothing but RSA, or TLS 1.3.
var senders = map[string]*tls.Config{
	"ecdsa": {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}},
	"rsa":   {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}},
	"any":   {MinVersion: tls.VersionTLS13},
}

// afterwards is how many messages a sender sends after it was told to stop, if it
// has not met a second certificate before: a renewal may have ended a moment ago,
// and an smtpd that was idle at the reload serves one more client.
const afterwards = 20

// flow sends mail over TLS from all senders at once, until dir has a file
// "stop", and leaves there what they saw. It runs inside a machine.
func flow(dir string) {
	f := Flow{Shown: map[string]map[string]int{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for kind, config := range senders {
		f.Shown[kind] = map[string]int{}
		wg.Go(func() {
			pace := time.NewTicker(25 * time.Millisecond) // leaves some of the machine to others
			defer pace.Stop()
			for left, met := afterwards, 0; ; <-pace.C {
				if exists(filepath.Join(dir, "stop")) {
					if met > 1 || left == 0 {
						return
					}
					left--
				}
				leaf, err := send(config)
				mu.Lock()
				if err != nil {
					f.Refused = append(f.Refused, fmt.Sprintf("%s %s: %v", time.Now().Format(time.TimeOnly), kind, err))
				} else {
					f.Sent++
					f.Shown[kind][leaf]++
				}
				met = len(f.Shown[kind])
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	text, err := json.Marshal(f)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "tmp"), text, 0o644)
	}
	if err == nil {
		err = os.Rename(filepath.Join(dir, "tmp"), filepath.Join(dir, "flow.json"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// send delivers one message, and says by which leaf the server was known.
func send(config *tls.Config) (leaf string, err error) {
	conn, err := net.DialTimeout("tcp", "127.0.0.1:25", 10*time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return "", err
	}
	c, err := smtp.NewClient(conn, "mx.example.org")
	if err != nil {
		return "", err
	}
	config = config.Clone()
	config.ServerName, config.InsecureSkipVerify = "mx.example.org", true // who is there is told by the leaf
	if err := c.StartTLS(config); err != nil {
		return "", err
	}
	state, _ := c.TLSConnectionState()
	sum := sha256.Sum256(state.PeerCertificates[0].Raw)
	if err := c.Mail("sender@elsewhere.example"); err != nil {
		return "", err
	}
	if err := c.Rcpt("all@counted.example"); err != nil {
		return "", err
	}
	w, err := c.Data()
	if err != nil {
		return "", err
	}
	if _, err := w.Write([]byte("Subject: flow\r\n\r\nx\r\n")); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil { // here the server takes it
		return "", err
	}
	return hex.EncodeToString(sum[:]), c.Quit()
}

// mailbox is a mailbox for all of counted.example, one file for each message.
const mailbox = `set -e
postconf -e virtual_mailbox_domains=counted.example virtual_mailbox_base=/var/counted virtual_mailbox_maps=static:all/ virtual_uid_maps=static:65534 virtual_gid_maps=static:65534
postconf -M 'virtual/unix=virtual unix - n n - - virtual'
mkdir /var/counted /tmp/flow && chown 65534:65534 /var/counted
postfix reload`

// mail: mail begins to flow, over TLS and without a pause.
// mail stop: it ends. Every message that was sent must have been taken and be
// in the mailbox, and senders of each kind must have met two certificates: one
// before, and one after.
func cmdMail(ts *testscript.TestScript, _ bool, args []string) {
	s := current(ts)
	if len(args) == 0 {
		_, err := s.machine.Run("sh", "-c", mailbox)
		ts.Check(err)
		s.mail = s.self(ts, "STORY_MAIL=/tmp/flow")
		s.await(ts, "the first mails", func() bool { return s.delivered(ts) > 10 })
		return
	}
	ts.Check(s.machine.Write("/tmp/flow/stop", "", 0o644))
	s.await(ts, "the end of the senders", func() bool { return exists(s.machine.Path("/tmp/flow/flow.json")) })
	text, err := os.ReadFile(s.machine.Path("/tmp/flow/flow.json"))
	ts.Check(err)
	var f Flow
	ts.Check(json.Unmarshal(text, &f))
	if len(f.Refused) > 0 {
		ts.Fatalf("%d of %d sessions were refused:\n%s", len(f.Refused), len(f.Refused)+f.Sent, strings.Join(f.Refused, "\n"))
	}
	s.await(ts, fmt.Sprintf("the last of %d mails", f.Sent), func() bool { return s.delivered(ts) >= f.Sent })
	if n := s.delivered(ts); n != f.Sent {
		ts.Fatalf("%d messages were sent, and %d delivered", f.Sent, n)
	}
	for _, kind := range slices.Sorted(maps.Keys(senders)) {
		if len(f.Shown[kind]) != 2 {
			ts.Fatalf("sender %s has met %d certificates, not one before and one after: %v", kind, len(f.Shown[kind]), f.Shown)
		}
	}
	ts.Logf("%d messages sent and delivered: %v", f.Sent, f.Shown)
}

// delivered is how many messages are in the mailbox.
func (s *scene) delivered(ts *testscript.TestScript) int {
	list, err := os.ReadDir(s.machine.Path("/var/counted/all/new"))
	if err != nil && !os.IsNotExist(err) {
		ts.Check(err)
	}
	return len(list)
}

// await waits for something that is to be seen.
func (s *scene) await(ts *testscript.TestScript, what string, ok func() bool) {
	for deadline := time.Now().Add(60 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("%s did not come", what)
		}
	}
}

// timer: what systemd does when the timer goes off, by the very lines of the
// unit, and within the limits that it sets, as far as they can be set without
// systemd: capabilities, no new privileges, folders to be read only, umask, system
// calls.
func cmdTimer(ts *testscript.TestScript, _ bool, _ []string) {
	text, err := os.ReadFile("../../templates/postseal-renew.service")
	ts.Check(err)
	unit := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			unit[name] = append(unit[name], value)
		}
	}
	if len(unit["ExecStart"]) == 0 {
		ts.Fatalf("the unit starts nothing")
	}
	limits := confined(ts, unit)
	for _, command := range unit["ExecStart"] {
		cmdIn(ts, false, append(limits, strings.Fields(command)...))
		calls, err := os.ReadFile(current(ts).machine.Path(callsPath))
		ts.Check(err)
		calls = unnamed.ReplaceAll(calls, nil)
		if len(calls) > 0 {
			ts.Fatalf("%s: system calls that the unit does not allow:\n%.2000s", command, calls)
		}
	}
}

// unnamed are lines about a thread that strace lets go of before it has read which call
// the thread is in: no call of it was denied.
var unnamed = regexp.MustCompile(`(?m)^\d+ +\?\?\?\( <detached \.\.\.>\n`)

// callsPath is where system calls are listed that the unit does not allow.
const callsPath = "/tmp/calls"

// confined is the beginning of a command line that sets the limits of a unit.
func confined(ts *testscript.TestScript, unit map[string][]string) []string {
	one := func(name, want string) {
		if len(unit[name]) != 1 || want != "" && unit[name][0] != want {
			ts.Fatalf("%s is %q", name, unit[name])
		}
	}
	for name, want := range map[string]string{"CapabilityBoundingSet": "", "NoNewPrivileges": "yes", "ProtectSystem": "full", "ProtectHome": "read-only", "UMask": "", "ReadWritePaths": ""} {
		one(name, want)
	}
	script := "set -e\n"
	for _, dir := range []string{"/usr", "/boot", "/etc", "/home", "/root"} { // systemd.exec(5)
		script += fmt.Sprintf("mount --bind %s %s\n", dir, dir)
	}
	for _, dir := range strings.Fields(unit["ReadWritePaths"][0]) {
		dir = strings.TrimPrefix(dir, "-")
		script += fmt.Sprintf("[ ! -e %s ] || mount --bind %s %s\n", dir, dir, dir)
	}
	for _, dir := range []string{"/usr", "/boot", "/etc", "/home", "/root"} {
		script += fmt.Sprintf("mount -o remount,bind,ro %s\n! touch %s/x 2>/dev/null\n", dir, dir)
	}
	var caps []string
	for _, name := range strings.Fields(unit["CapabilityBoundingSet"][0]) {
		caps = append(caps, "+"+strings.ToLower(strings.TrimPrefix(name, "CAP_")))
	}
	refused := "!?" + strings.Join(allowed(ts, unit["SystemCallFilter"]), ",?")
	script += fmt.Sprintf("umask %s\nexec strace -f -qq -o %s -e signal=none -e 'trace=%s' -e 'inject=%s:error=EPERM' setpriv --no-new-privs --inh-caps=-all --bounding-set=-all,%s -- \"$@\"\n",
		unit["UMask"][0], callsPath, refused, refused, strings.Join(caps, ","))
	return []string{"unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"}
}

// allowed are the system calls that the filters of a unit let through.
func allowed(ts *testscript.TestScript, filters []string) (out []string) {
	for _, filter := range filters {
		list, without := strings.CutPrefix(filter, "~")
		for _, word := range strings.Fields(list) {
			calls := expand(ts, word)
			if without {
				out = slices.DeleteFunc(out, func(c string) bool { return slices.Contains(calls, c) })
				continue
			}
			out = append(out, calls...)
		}
	}
	return out
}

// expand are the system calls of a group, as systemd knows it.
func expand(ts *testscript.TestScript, word string) (out []string) {
	if !strings.HasPrefix(word, "@") {
		return []string{word}
	}
	text, err := exec.Command("systemd-analyze", "syscall-filter", word).Output()
	ts.Check(err)
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line != word && !strings.HasPrefix(line, "#") {
			out = append(out, expand(ts, line)...)
		}
	}
	return out
}
