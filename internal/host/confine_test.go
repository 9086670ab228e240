package host_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"postseal/internal/host"
)

// TestConfine: files are made no more open than the caller wants, and never writable by
// others. It runs in a process of its own, as main does.
func TestConfine(t *testing.T) {
	if os.Getenv("HOST_CONFINE") != "" {
		if err := host.Confine(); err != nil {
			t.Fatal(err)
		}
		t.Logf("umask %03o", unix.Umask(0o077))
		return
	}
	for caller, want := range map[string]string{"000": "022", "022": "022", "027": "027", "077": "077", "007": "027"} {
		cmd := exec.Command("sh", "-c", `umask "$1"; exec "$2" -test.run 'TestConfine$' -test.v`, "sh", caller, os.Args[0])
		cmd.Env = append(os.Environ(), "HOST_CONFINE=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "umask "+want) {
			t.Errorf("umask %s: %v: %s", caller, err, out)
		}
	}
}
