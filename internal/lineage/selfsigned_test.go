package lineage_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"postseal/certs"
	"postseal/internal/lab"
	"postseal/internal/lineage"
)

// TestSelfSignedNames: what is no host name makes no certificate, and names no
// folder.
func TestSelfSignedNames(t *testing.T) {
	dir := lab.Dir(t)
	s := lineage.Store{M: &clock{}, StateDir: filepath.Join(dir, "state"), CertsDir: filepath.Join(dir, "etc", "certs")}
	for _, names := range [][]string{nil, {""}, {"../../elsewhere"}, {"mx.test", "a b.test"}, {"mx.test/.."}} {
		if path, _, made, err := s.SelfSigned(names); err == nil || made {
			t.Errorf("%q: %s", names, path)
		}
	}
	if there, err := os.ReadDir(dir); err != nil || len(there) > 0 {
		t.Errorf("%v, %v", there, err)
	}
}

// TestSelfSignedDue: one that is due is made anew, and its key stays.
func TestSelfSignedDue(t *testing.T) {
	dir, c := lab.Dir(t), &clock{}
	s := lineage.Store{M: c, StateDir: filepath.Join(dir, "state"), CertsDir: filepath.Join(dir, "certs")}
	names := []string{"mx.test"}
	path, first, made, err := s.SelfSigned(names)
	if err != nil || !made {
		t.Fatal(made, err)
	}
	f := first.Facts(nil)
	for _, x := range []struct {
		at   time.Time
		made bool
	}{{certs.DueByLifetime(f.NotBefore, f.NotAfter).Add(-time.Hour), false}, {certs.DueByLifetime(f.NotBefore, f.NotAfter).Add(time.Hour), true}} {
		c.ahead = time.Until(x.at)
		_, second, made, err := s.SelfSigned(names)
		if err != nil || made != x.made || second.Facts(nil).PublicKey != f.PublicKey {
			t.Errorf("at %s: made %v, %v", x.at, made, err)
		}
	}
	if got := chain(t, path).Facts(nil).NotAfter; !got.After(f.NotAfter) {
		t.Errorf("it ends on %s", got)
	}
}
