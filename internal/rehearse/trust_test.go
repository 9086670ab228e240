package rehearse

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/postfix"
	"postseal/internal/postfix/maincf"
	"postseal/internal/postfix/mastercf"
)

// TestTrustInJail: Debian copies the folder of CA certificates into the chroot
// when Postfix starts, so that is what smtp trusts there; elsewhere it is what
// somebody put into the chroot.
func TestTrustInJail(t *testing.T) {
	dir, jail := t.TempDir(), t.TempDir()
	pem := "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
	for i := range publicStore {
		if err := os.WriteFile(filepath.Join(dir, strings.Repeat("a", i+1)+".pem"), []byte(pem), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := Candidate{Config: postfix.Config{Main: maincf.Parse("smtp_tls_CApath = " + dir + "\n"), Master: mastercf.Parse("smtp unix - - y - - smtp\n")}}
	s, _ := c.Config.Master.Find("smtp", "unix")
	known := debianStart
	defer func() { debianStart = known }()
	for _, x := range []struct {
		script  string
		running bool
		trusts  bool
	}{{dir + "/a.pem", false, true}, {dir + "/none", false, false}, {dir + "/a.pem", true, false}} {
		debianStart = x.script
		if x.running {
			jail = startedQueue(t)
		}
		store, note := c.trust(s, jail, "the test CA")
		if strings.Contains(string(store), "the test CA") != x.trusts || (note == "") != x.trusts {
			t.Errorf("%s: %q, %d bytes", x.script, note, len(store))
		}
	}
}

// startedQueue is the queue directory of a Postfix that runs until the test ends.
func startedQueue(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: Postfix changes to its own user")
	}
	dir, err := os.MkdirTemp("", "postseal-trust-") //nolint:usetesting // the user postfix must search it
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	i, err := Create(dir, Base(dir, "3.6"), BaseServices)
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Start(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Stop)
	queue := filepath.Join(dir, "queue")
	for until := time.Now().Add(20 * time.Second); !detect.Started(host.Local{}, queue); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the private Postfix does not start")
		}
	}
	return queue
}
