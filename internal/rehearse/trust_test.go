package rehearse

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

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
		script string
		trusts bool
	}{{dir + "/a.pem", true}, {dir + "/none", false}} {
		debianStart = x.script
		store, note := c.trust(s, jail, "the test CA")
		if strings.Contains(string(store), "the test CA") != x.trusts || (note == "") != x.trusts {
			t.Errorf("%s: %q, %d bytes", x.script, note, len(store))
		}
	}
}
