package story

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Machine is a disposable copy of this computer: an overlay over its whole
// file system, with a network and processes of its own. Port 25 is free there,
// /etc/postfix may be changed, and when it ends the kernel removes all of it.
type Machine struct {
	cmd   *exec.Cmd
	ended chan struct{}
	pid   int
	dir   string
}

// setup makes the copy and then waits to be ended. The machine's loopback is
// its only interface.
const setup = `set -e
mount -t tmpfs -o mode=755 story "$1"
mkdir "$1/up" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" overlay "$1/root"
mount -t proc proc "$1/root/proc"
mount -t tmpfs -o mode=755 dev "$1/root/dev"
for d in null zero urandom random tty; do : > "$1/root/dev/$d"; mount --bind "/dev/$d" "$1/root/dev/$d"; done
mount -t tmpfs -o mode=1777 tmp "$1/root/tmp"
mount -t tmpfs -o mode=755 run "$1/root/run"
ip link set lo up
hostname mx
exec chroot "$1/root" /bin/sh -c 'cd /; : > /run/ready; while :; do sleep 1000; done'`

// NewMachine starts one; it needs root, unshare(1) and nsenter(1). dir is an
// empty folder for its file systems.
func NewMachine(dir string) (*Machine, error) {
	m := &Machine{dir: dir, ended: make(chan struct{})}
	m.cmd = exec.Command("unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "sh", "-c", setup, "sh", dir)
	said := new(bytes.Buffer)
	m.cmd.Stderr = said
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := m.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting a machine: %w", err)
	}
	go func() { _ = m.cmd.Wait(); close(m.ended) }()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		select {
		case <-m.ended:
			return nil, fmt.Errorf("starting a machine: %s", said)
		default:
		}
		if pid := m.child(); pid != 0 {
			if _, err := os.Stat(fmt.Sprintf("/proc/%d/root/run/ready", pid)); err == nil {
				if root, err := os.Readlink(fmt.Sprintf("/proc/%d/root", pid)); err == nil && root != "/" {
					m.pid = pid
					return m, nil
				}
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	m.Stop()
	return nil, errors.New("starting a machine: it did not come up")
}

// child is the first process inside.
func (m *Machine) child() int {
	pid := m.cmd.Process.Pid
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0
	}
	word, _, _ := strings.Cut(string(b), " ")
	n, _ := strconv.Atoi(word)
	return n
}

// Path is where a path of the machine is, seen from here.
func (m *Machine) Path(p string) string { return fmt.Sprintf("/proc/%d/root%s", m.pid, p) }

// Argv is the command line that runs a program inside.
func (m *Machine) Argv(argv ...string) []string {
	return append([]string{"nsenter", "-t", strconv.Itoa(m.pid), "-n", "-m", "-p", "-u", "-i", "-r", "-w", "--"}, argv...)
}

// Run runs a program inside, and returns what it printed.
func (m *Machine) Run(argv ...string) (string, error) {
	a := m.Argv(argv...)
	out, err := exec.Command(a[0], a[1:]...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, out)
	}
	return string(out), err
}

// Write puts a file inside.
func (m *Machine) Write(path, text string, mode os.FileMode) error {
	p := m.Path(path)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(p, []byte(text), mode); err != nil {
		return err
	}
	return os.Chmod(p, mode)
}

// Stop ends it with everything in it.
func (m *Machine) Stop() {
	_ = m.cmd.Process.Kill()
	<-m.ended
}
