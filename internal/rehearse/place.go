package rehearse

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"postseal/internal/host"
)

// Options say how to run a rehearsal. The zero value is quiet, and leaves the
// folder behind if this process is killed.
type Options struct {
	// Events is told of each trial as it ends; calls do not overlap.
	Events func(Trial)
	// Guard is the command line that runs Guard in a process of its own; the
	// folder is added to it. Empty: none is started.
	Guard []string
	// Hellos are those that were seen at this server; they are sent again.
	Hellos []Seen
}

func (o Options) tell(t Trial) {
	if o.Events != nil {
		o.Events(t)
	}
}

// parents are where folders of ours may be, those in memory first: a key that is
// rehearsed should not touch a disk, and a busy disk should hold nothing up.
// Where no system was booted, such as in a container, /run is often on disk.
var parents = func() []string {
	out := []string{"/run", "/dev/shm", "/tmp"}
	slices.SortStableFunc(out, func(a, b string) int { return cmp.Compare(disk(a), disk(b)) })
	return out
}()

// disk is 0 for a folder in memory that is roomy enough for a queue, else 1.
func disk(path string) int {
	const tmpfs, room = 0x01021994, 32 << 20 // statfs(2)
	var st syscall.Statfs_t
	if syscall.Statfs(path, &st) == nil && st.Type == tmpfs && st.Bavail*uint64(st.Bsize) >= room { //nolint:gosec // a size of blocks is positive
		return 0
	}
	return 1
}

// sweep removes what is left where everybody was killed, the guard too. An
// instance ends by itself after life; nothing that old is in use.
func sweep() {
	for _, parent := range parents {
		dirs, _ := filepath.Glob(filepath.Join(parent, folderPrefix+"*"))
		for _, dir := range dirs {
			st, err := os.Lstat(dir)
			if err != nil || !st.IsDir() || time.Since(st.ModTime()) < 2*life {
				continue
			}
			if own, ok := st.Sys().(*syscall.Stat_t); ok && int(own.Uid) == os.Getuid() && !running(dir) {
				_ = os.RemoveAll(dir)
			}
		}
	}
}

// folderPrefix is what the names of our folders begin with.
const folderPrefix = "postseal-rehearse-"

// place makes a folder for a private instance, and how to remove it. /run is
// root's own and in memory; what TMPDIR names may be closed to Postfix. The guard
// is there first: however early we are killed, nothing stays behind.
func (o Options) place() (dir string, remove func(), err error) {
	sweep()
	for _, parent := range parents {
		dir = filepath.Join(parent, folderPrefix+rand.Text()[:16])
		var release func()
		if release, err = o.guard(dir); err != nil {
			return "", nil, err
		}
		if err = os.Mkdir(dir, 0o700); err == nil {
			return dir, func() {
				_ = os.RemoveAll(dir)
				release()
			}, nil
		}
		release()
	}
	return "", nil, fmt.Errorf("creating a directory for a private Postfix: %w", err)
}

// guard starts the process that clears up after us if we are killed: it sees
// that by the end of the pipe, whatever kills us.
func (o Options) guard(dir string) (release func(), err error) {
	if len(o.Guard) == 0 {
		return func() {}, nil
	}
	cmd := exec.Command(o.Guard[0], append(o.Guard[1:len(o.Guard):len(o.Guard)], dir)...) //nolint:gosec // our own program
	alive, err := cmd.StdinPipe()
	if err == nil {
		cmd.Env = host.Environ()
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a hang-up of the terminal is not for it
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("starting the guard of a private Postfix: %w", err)
	}
	return func() {
		_ = alive.Close()
		_ = cmd.Wait()
	}, nil
}

// Guard waits until alive ends, and then ends the private Postfix in dir, if
// there still is one, and removes the folder.
func Guard(dir string, alive io.Reader) error {
	if !strings.HasPrefix(filepath.Base(dir), folderPrefix) || !filepath.IsAbs(dir) {
		return fmt.Errorf("guarding %s: not the directory of a rehearsal", dir)
	}
	_, _ = io.Copy(io.Discard, alive)
	var failed error
	for range 100 { // the master may just be starting
		end(dir)
		failed = os.RemoveAll(dir)
		if failed == nil && !running(dir) {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.Join(fmt.Errorf("guarding %s: the private Postfix does not stop", dir), failed)
}

// processes are those that were started with the folder on their command line,
// but for ourselves.
func processes(dir string) (out []int) {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil
	}
	for _, l := range lines {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(l)))
		if err != nil || pid == os.Getpid() {
			continue
		}
		if data, err := os.ReadFile(l); err == nil && strings.Contains(string(data), filepath.Join(dir, "conf")+"\x00") {
			out = append(out, pid)
		}
	}
	return out
}

func running(dir string) bool { return len(processes(dir)) > 0 }

// end ends the master of a folder with its daemons: it leads a group of its own.
func end(dir string) {
	for _, pid := range processes(dir) {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
}
