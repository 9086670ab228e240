package acme

import (
	"os"
	"path/filepath"
	"testing"

	"postseal/internal/lab"
)

// TestWebrootLinks: where the account of the web server has put a link in the way, nothing
// is written where it leads, and no token is anything but a name.
func TestWebrootLinks(t *testing.T) {
	lab.NeedRoot(t)
	const webServer = 33 // www-data
	victim := t.TempDir()
	for name, plant := range map[string]string{"the folder": ".well-known", "the folder in it": ".well-known/acme-challenge", "the answer": ".well-known/acme-challenge/token"} {
		root := t.TempDir()
		link := filepath.Join(root, plant)
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(victim, "x"), link); err != nil {
			t.Fatal(err)
		}
		if err := os.Lchown(link, webServer, webServer); err != nil {
			t.Fatal(err)
		}
		w := &webroot{dir: root}
		if err := w.Present("", "token", "answer"); err == nil {
			t.Errorf("%s: it is presented", name)
		}
		_ = w.CleanUp("", "token", "")
		if left, _ := filepath.Glob(filepath.Join(victim, "*")); len(left) > 0 {
			t.Errorf("%s: written through the link: %q", name, left)
		}
	}
	w := &webroot{dir: t.TempDir()}
	for _, bad := range []string{"", ".", "..", "../x", "a/b", "a\x00", ".x", "a.b", "\n"} {
		if err := w.Present("", bad, "answer"); err == nil {
			t.Errorf("token %q is presented", bad)
		}
	}
}
