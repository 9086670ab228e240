// Package lab is for tests only: a real Postfix in a folder, a configuration that
// is thrown away, and a test CA.
//
// Nothing here leaves the loopback interface, and nothing outside the folder
// of a test is written.
package lab

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/maillog"
	"postseal/internal/rehearse"
)

// Need skips the test if a program is missing. Under CI=1 that is a failure:
// a tool that is not there must not pass for a test that passed.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			giveUp(t, fmt.Sprintf("%s is not installed (make test installs it)", p))
		}
	}
}

// NeedRoot skips the test for other users; under CI=1 it fails.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		giveUp(t, "needs root: Postfix changes to its own user")
	}
}

func giveUp(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// Dir is a folder that the user postfix can search, unlike t.TempDir.
func Dir(t testing.TB) string {
	t.Helper()
	d, err := os.MkdirTemp("", "postseal-lab-") //nolint:usetesting // its folders are 0700
	if err == nil {
		err = os.Chmod(d, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(d) })
	return d
}

// Write puts a file below dir and returns its path.
func Write(t testing.TB, dir, name, text string, mode os.FileMode) string {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return p
}

// Addr is an address of this machine that nobody else gets until the test ends.
func Addr(t testing.TB) string {
	t.Helper()
	p, err := rehearse.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p.Addr
}

// Server is a running private Postfix with one or more listeners.
type Server struct {
	*rehearse.Instance
	// Addrs are the listeners in the order of the services given.
	Addrs []string
}

// Log is where the server logs to.
func (s *Server) Log() maillog.Source {
	return maillog.Source{Path: s.LogPath(), Names: []string{"postfix", "postfix-private"}}
}

// Postfix starts a private Postfix. Each service is a master.cf entry with %s
// where its address goes: "%s inet n - n - - smtpd". The configuration is
// rehearse.Base and then main; the server ends with the test.
func Postfix(t testing.TB, main string, services ...string) *Server {
	t.Helper()
	Need(t, "postfix", "postconf")
	NeedRoot(t)
	s := &Server{}
	dir := Dir(t)
	master := ""
	for _, text := range services {
		addr := Addr(t)
		s.Addrs = append(s.Addrs, addr)
		master += fmt.Sprintf(text, addr) + "\n"
	}
	return start(t, s, dir, main, master)
}

// Sender starts a private Postfix that takes mail and hands all of it on to the
// server at to, with these smtp_tls_ settings.
func Sender(t testing.TB, to, main string) *Server {
	t.Helper()
	Need(t, "postfix", "postconf")
	NeedRoot(t)
	host, toPort, err := net.SplitHostPort(to)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Addrs: []string{Addr(t)}}
	return start(t, s, Dir(t), "default_transport = smtp\nrelayhost = ["+host+"]:"+toPort+"\nsmtp_dns_support_level = disabled\n"+main, s.Addrs[0]+" inet n - n - - smtpd\nsmtp unix - - n - - smtp\n")
}

// start starts what is configured, and waits until it takes mail.
func start(t testing.TB, s *Server, dir, main, master string) *Server {
	t.Helper()
	i, err := rehearse.Create(dir, rehearse.Base(dir, "3.6")+main, master+rehearse.BaseServices)
	if err != nil {
		t.Fatal(err)
	}
	s.Instance = i
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := i.Start(ctx, 10*time.Minute); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Stop(); endSuccessor(dir) })
	for _, a := range s.Addrs {
		if err := i.WaitFor(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	// The master listens before it has locked its pid file.
	for !detect.Started(host.Local{}, filepath.Join(dir, "queue")) {
		if ctx.Err() != nil {
			t.Fatal("the private Postfix listens, but says that it does not run")
		}
		time.Sleep(20 * time.Millisecond)
	}
	return s
}

// endSuccessor ends the master that a test has started in the place of the first,
// as an undo does.
func endSuccessor(dir string) {
	queue := filepath.Join(dir, "queue")
	text, err := os.ReadFile(filepath.Join(queue, "pid", "master.pid"))
	if err != nil {
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return
	}
	// Another process that has this number now does not work there.
	if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err == nil && cwd == queue {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
}

// Silent listens and never says a word, as a filtered port does.
func Silent(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}
