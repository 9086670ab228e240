package acme_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"postseal/certs/acme"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/lab/pebble"
)

// TestWebrootLink: a webroot that the link of another account leads to is refused before
// the CA is asked to look, and the hint names the directory itself.
func TestWebrootLink(t *testing.T) {
	lab.NeedRoot(t)
	p := pebble.New(t, pebble.Options{})
	client, _ := registered(t, p)
	dir := lab.Dir(t)
	actual, link := filepath.Join(dir, "releases"), filepath.Join(dir, "current")
	if err := errors.Join(os.Mkdir(actual, 0o755), os.Symlink("releases", link), os.Lchown(link, lab.WWWData, lab.WWWData)); err != nil {
		t.Fatal(err)
	}
	_, err := client.Obtain(context.Background(), acme.Order{Names: names(), Key: newKey(t)}, acme.Webroot{Dir: link}, func(e acme.Event) {
		if e.Phase == acme.Presenting {
			t.Error("it presents")
		}
	})
	if !errors.Is(err, host.ErrStrangeLink) || !strings.HasSuffix(hint.Of(err), "--webroot "+actual) {
		t.Errorf("%v, %s", err, hint.Of(err))
	}
}

// TestWebroot: the answer can be read by a web server of another user whatever
// the umask, does not go through a link, and takes only what is ours along.
func TestWebroot(t *testing.T) { // not parallel: the umask is the process's
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	p := pebble.New(t, pebble.Options{})
	client, _ := registered(t, p)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".well-known"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, ".well-known"), 0o711); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	seen := 0
	_, err := client.Obtain(ctx, acme.Order{Names: names(), Key: newKey(t)}, acme.Webroot{Dir: dir}, func(e acme.Event) {
		if e.Phase != acme.Presenting {
			return
		}
		defer cancel()
		for pattern, want := range map[string]os.FileMode{".well-known": 0o711, ".well-known/acme-challenge": 0o755, ".well-known/acme-challenge/*": 0o644} {
			found, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil {
				t.Error(err)
			}
			for _, f := range found {
				st, err := os.Stat(f)
				if err != nil || st.Mode().Perm() != want {
					t.Errorf("%s: %v, %v", f, st.Mode(), err)
				}
				seen++
			}
		}
	})
	if !errors.Is(err, context.Canceled) || seen != 3 {
		t.Errorf("%v, %d things seen", err, seen)
	}
	if left, err := os.ReadDir(filepath.Join(dir, ".well-known")); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
