package rehearse

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// TestEnvironment: what stands in our environment does not reach the private
// Postfix.
func TestEnvironment(t *testing.T) {
	for _, name := range []string{"MAIL_DEBUG", "MAIL_VERBOSE", "MAIL_LOGTAG", "LANG"} {
		t.Setenv(name, "1")
	}
	t.Setenv("HOME", "/h")
	t.Setenv("TZ", "UTC")
	want := []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin", "LC_ALL=C", "MAIL_CONFIG=/x/conf", "HOME=/h", "TZ=UTC"}
	if got := (&Instance{Dir: "/x"}).environ(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

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
