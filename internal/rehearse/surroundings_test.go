package rehearse

import (
	"os"
	"path/filepath"

	"syscall"
	"testing"
)

// TestUmask: the daemons, which run as another user, can read what is theirs.
func TestUmask(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	defer syscall.Umask(syscall.Umask(0o077))
	i, err := Create(filepath.Join(t.TempDir(), "p"), "mail_owner = postfix\n", "")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{"main.cf": 0o644, "master.cf": 0o644, ".": 0o755} {
		if st, err := os.Stat(filepath.Join(i.Config(), name)); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v %v", name, st.Mode(), err)
		}
	}
}
