//go:build linux && amd64

package faults

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// obstacle is something that lies where postseal expects a file of its own.
type obstacle struct {
	name string
	make func(path string) error
}

var obstacles = []obstacle{
	{"FIFO", func(path string) error { return unix.Mkfifo(path, 0o600) }},
	{"socket", func(path string) error {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			return err
		}
		l.SetUnlinkOnClose(false)
		return l.Close()
	}},
	{"device", func(path string) error { return unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))) }},
	{"folder", func(path string) error { return os.Mkdir(path, 0o700) }},
	{"dangling link", func(path string) error { return os.Symlink("/nowhere/at/all", path) }},
	{"link to /dev/zero", func(path string) error { return os.Symlink("/dev/zero", path) }},
}

// place is where it lies. RUN stands for the ID of the run that waits, and before
// there is one, the folder takes the place of the file.
var places = []string{
	"/etc/postfix/main.cf.tmp",
	"/etc/postfix/master.cf.tmp",
	"/etc/postfix/.main.cf.postseal",
	stateDir + "/lock",
	journal,
	stateDir + "/unconfirmed.json",
	stateDir + "/receipts/RUN.json",
	stateDir + "/backups/RUN/old-0",
	ownDir + "/postseal.toml",
}

const reverting = "reverter"

// runs are those that meet an obstacle, as blocked has them.
var runs = []string{"apply", "undo", "confirm", reverting, "audit"}

// blocked are the runs that meet it. All but apply find a run that waits to be
// confirmed.
func (b *bed) blocked() map[string][]string {
	return map[string][]string{"apply": b.apply, "undo": undo, "confirm": confirm, reverting: b.argv, "audit": {program, "audit"}}
}

// TestObstacles puts obstacles in the way of each run. The run does its work or says what
// is wrong, within a time limit; SIGTERM ends it at once; and once the obstacle is gone,
// the next run succeeds. A reverter that has not given up reverts then.
func TestObstacles(t *testing.T) {
	for i, place := range places {
		t.Run(strings.ReplaceAll(strings.TrimPrefix(place, "/"), "/", "_"), func(t *testing.T) {
			if i > 0 && !*all {
				t.Skip("make faults")
			}
			skipOthers(t, "obstacles at "+place)
			t.Parallel()
			b := obstructed(t)
			for _, o := range obstacles {
				for _, run := range runs {
					if !*all && (o.name != "FIFO" || run != "apply" && run != reverting) {
						continue
					}
					err := o.meet(t, b, place, run)
					tally.add("something in the way: "+o.name, err == nil)
					if err != nil {
						t.Errorf("%s at %s, %s: %v", o.name, place, run, err)
					}
				}
			}
		})
	}
}

// obstructed is a bed with a run that waits to be confirmed, which "waiting" keeps.
func obstructed(t *testing.T) *bed {
	b := newBed(t, masterCF+users, "apply", "--yes", "--no-rehearsal", "--confirm-within", "1h", "--submission", "encrypt-and-465", "--accept-risk", "drop-tls10,drop-old-ciphers,require-submission-tls")
	b.changed(t)
	due(t, b)
	b.keep(t, "waiting")
	return b
}

// limited is a run that gets SIGTERM after some seconds, and five seconds later is
// killed: it ends with 124 or 137 then (timeout(1)).
func limited(seconds int, argv []string) []string {
	return append([]string{"timeout", "-k", "5", "-s", "TERM", fmt.Sprint(seconds)}, argv...)
}

func (o obstacle) meet(t *testing.T, b *bed, place, run string) (err error) {
	t.Helper()
	argv, id := b.blocked()[run], b.argv[len(b.argv)-1]
	path := strings.ReplaceAll(place, "RUN", id)
	if run == "apply" && path != place {
		path = filepath.Dir(strings.Split(place, "RUN")[0] + "x")
	}
	put := func() error {
		b.must(t, "rm", "-rf", path) // of a run that was given up
		if run == "apply" {
			b.back(t, "fresh")
		} else {
			b.back(t, "waiting")
		}
		_, _ = b.do("sh", "-c", "rm -rf /run/was; mkdir -p "+filepath.Dir(path)+"; [ ! -e "+path+" ] || mv "+path+" /run/was")
		if err := o.make(b.Path(path)); err != nil {
			return fmt.Errorf("making it: %w", err)
		}
		return nil
	}
	away := func() {
		b.must(t, "sh", "-c", "rm -rf "+path+"; [ ! -e /run/was ] || mv /run/was "+path)
	}
	if err := put(); err != nil {
		return err
	}
	if run == reverting {
		if code, _ := b.do(limited(1, argv)...); code == 137 {
			return errors.New("SIGTERM does not end it")
		}
		if err := put(); err != nil {
			return err
		}
		if err := b.reverts(argv, away); err != nil {
			return err
		}
		return b.settle(t)
	}
	begun := time.Now()
	code, out := b.do(limited(120, argv)...)
	switch {
	case code == 124, code == 137:
		return fmt.Errorf("it does not end: exit code %d: %s", code, out)
	case code != 0 && !strings.Contains(out, "hint: ") && run != "audit":
		return fmt.Errorf("exit code %d, and it does not say what to type: %s", code, out)
	case strings.Contains(out, "panic"):
		return fmt.Errorf("it panics: %s", out)
	}
	if err := b.mail(); err != nil {
		return fmt.Errorf("exit code %d, and mail is not taken: %w: %s", code, err, out)
	}
	if time.Since(begun) > 2*time.Second {
		if err := put(); err != nil {
			return err
		}
		if code, _ := b.do(limited(1, argv)...); code == 137 {
			return errors.New("SIGTERM does not end it")
		}
	}
	if run == "apply" && code == 0 && path != place {
		return nil // where a folder belongs it was none in the way, or led to where one could be made: it is in use now
	}
	away()
	if err := b.settle(t); err != nil {
		return fmt.Errorf("exit code %d: %s: then %w", code, out, err)
	}
	return nil
}

// reverts runs the reverter, removes an obstacle after a while, and wants the run
// to be reverted, or the reverter to have ended before.
func (b *bed) reverts(argv []string, away func()) error {
	a := b.Argv(limited(90, argv)...)
	c := exec.Command(a[0], a[1:]...)
	if err := c.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case <-ended:
		away()
		return nil
	case <-time.After(2 * time.Second):
	}
	away()
	if err := <-ended; err != nil {
		return fmt.Errorf("with the obstacle gone it does not revert the run: %w", err)
	}
	if b.waits() {
		return errors.New("with the obstacle gone it ends, and the run waits on")
	}
	return nil
}

// settle brings a machine to its end from whatever an obstacle has made of a run.
func (b *bed) settle(t *testing.T) error {
	t.Helper()
	is, err := b.state(t)
	if err != nil {
		return err
	}
	if b.exists(journal) || b.waits() || is == [2]bool{true, true} {
		if code, out := b.do(undo...); code != 0 {
			return fmt.Errorf("undo ends with %d: %s", code, out)
		}
	}
	if code, out := b.do(b.apply...); code != 0 {
		return fmt.Errorf("apply ends with %d: %s", code, out)
	}
	if is, err = b.state(t); err != nil || is != [2]bool{true, true} {
		return fmt.Errorf("after apply the files are new: %v, %w", is, err)
	}
	if err := b.mail(); err != nil {
		return fmt.Errorf("mail is not taken: %w", err)
	}
	if left := b.left(); len(left) > 0 {
		return fmt.Errorf("left behind: %s", strings.Join(left, ", "))
	}
	return b.exposed()
}
