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
	enter []string // further namespaces, as nsenter(1) names them
}

// setup makes the copy and then waits to be ended. The machine's loopback is
// its only interface. Programs are mounted, since copies of them take most of the time.
// The machine trusts few CAs, though enough to count as the public ones: every
// process that sends mail reads them all.
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
ca=/etc/ssl/certs/ca-certificates.crt
[ ! -e $ca ] || awk '/BEGIN CERTIFICATE/ { n++ } n <= 25' $ca >"$1/ca"
[ ! -e $ca ] || cp "$1/ca" "$1/root$ca"
dir=$1; shift
while [ $# -gt 1 ]; do : > "$dir/root$1"; mount --bind "$2" "$dir/root$1"; shift 2; done
set -- "$dir"
`

// idle is a machine on which nothing runs.
const idle = `exec chroot "$1/root" /bin/sh -c 'cd /; : > /run/ready; while :; do sleep 1000; done'`

// boot is a machine on which systemd runs, and little else: what it would do to
// the hardware, and to the discs, is masked.
const boot = `mount -t tmpfs -o mode=755 sys "$1/root/sys"
mkdir -p "$1/root/sys/fs/cgroup"
mount -t cgroup2 cgroup2 "$1/root/sys/fs/cgroup"
rm -f "$1/root/etc/machine-id"
: > "$1/root/etc/machine-id"
mkdir -p "$1/root/etc/systemd/system"
cd "$1/root/etc/systemd/system"
ln -sf /lib/systemd/system/basic.target default.target
for unit in systemd-udevd.service systemd-udev-trigger.service systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket \
	systemd-journald-audit.socket systemd-journal-flush.service systemd-tmpfiles-setup.service systemd-tmpfiles-setup-dev.service systemd-sysctl.service \
	systemd-modules-load.service systemd-remount-fs.service systemd-random-seed.service systemd-update-utmp.service dev-hugepages.mount dev-mqueue.mount \
	sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount tmp.mount swap.target \
	local-fs.target cryptsetup.target apparmor.service; do ln -sf /dev/null "$unit"; done
: > "$1/root/run/ready"
exec env -i container=story PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$1/root" /lib/systemd/systemd`

// NewMachine starts one; it needs root, unshare(1) and nsenter(1). dir is an
// empty folder for its file systems. programs are files of this computer, by the
// paths that they have on the machine.
func NewMachine(dir string, programs map[string]string) (*Machine, error) {
	return start(dir, programs, idle)
}

// NewBooted starts one on which systemd runs. It cannot be had in every container.
func NewBooted(dir string, programs map[string]string) (*Machine, error) {
	m, err := start(dir, programs, boot, "--cgroup")
	if err != nil {
		return nil, err
	}
	m.enter = []string{"-C"}
	var state string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if state, err = m.Run("systemctl", "is-system-running"); err == nil || strings.HasPrefix(state, "degraded") {
			return m, nil
		}
	}
	m.Stop()
	return nil, fmt.Errorf("starting systemd: %w", err)
}

// start starts a machine that runs a script once it is set up.
func start(dir string, programs map[string]string, script string, unshare ...string) (*Machine, error) {
	m := &Machine{dir: dir, ended: make(chan struct{})}
	args := append([]string{"--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child"}, unshare...)
	args = append(args, "sh", "-c", setup+script, "sh", dir)
	for at, program := range programs {
		args = append(args, at, program)
	}
	m.cmd = exec.Command("unshare", args...)
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
	enter := append([]string{"nsenter", "-t", strconv.Itoa(m.pid), "-n", "-m", "-p", "-u", "-i", "-r", "-w"}, m.enter...)
	return append(append(enter, "--"), argv...)
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
