//go:build linux && amd64

package faults

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/internal/lab"
	"postseal/internal/story"
)

// TestTimer: under a real systemd, one of its timers takes the run back, though
// everything of ours was killed; confirmed, the timer goes.
func TestTimer(t *testing.T) {
	skipOthers(t, "timer")
	lab.NeedRoot(t)
	lab.Need(t, "postfix", "unshare", "nsenter", "ip")
	if _, err := os.Stat("/lib/systemd/systemd"); err != nil {
		t.Skip("there is no systemd here")
	}
	m, err := story.NewBooted(lab.Dir(t), programs())
	if err != nil {
		t.Skipf("systemd cannot be started in this container: %v", err)
	}
	b := newBedOn(t, m, masterCF, "apply", "--yes", "--no-rehearsal", "--accept-risk", "drop-tls10,drop-old-ciphers,drop-old-ciphers")
	within := func(time string) { b.must(t, append(slices.Clone(b.apply), "--confirm-within", time)...) }
	within("1h")
	if waits := b.must(t, "cat", stateDir+"/unconfirmed.json"); !strings.Contains(waits, "systemd timer postseal-revert-") {
		t.Fatalf("what takes it back is no timer: %s", waits)
	}
	if left, _ := b.Run("pgrep", "-f", "^"+program); strings.TrimSpace(left) != "" {
		t.Errorf("beside the timer, a process waits: %s", left)
	}
	if b.files(t) == b.before {
		t.Fatal("nothing was written")
	}
	b.must(t, program, "confirm")
	if timers := b.must(t, "systemctl", "list-timers", "--all"); strings.Contains(timers, "postseal-revert") {
		t.Errorf("the timer runs on: %s", timers)
	}
	b.must(t, undo...)
	within("5s")
	for deadline := time.Now().Add(30 * time.Second); b.exists(stateDir + "/unconfirmed.json"); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the timer did not fire: %s", b.must(t, "systemctl", "list-timers", "--all"))
		}
	}
	if b.files(t) != b.before {
		t.Error("it waits no more, and the files are not as before")
	}
	if err := b.mail(); err != nil {
		t.Error(err)
	}
}
