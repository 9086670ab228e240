package host_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postseal/internal/host"
	"postseal/internal/lab"
)

const wwwData = 33 // Debian's base-passwd

// TestExposed: who else can change what a path leads to, for each way of it.
func TestExposed(t *testing.T) {
	lab.NeedRoot(t)
	base := t.TempDir() // below /tmp, which everyone can write to, but which is sticky
	file := func(name string, mode os.FileMode, uid, gid int) string {
		p := filepath.Join(base, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(p, uid, gid); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(p, mode); err != nil {
			t.Fatal(err)
		}
		return p
	}
	link := func(name, to string, uid int) string {
		p := filepath.Join(base, name)
		if err := os.Symlink(to, p); err != nil {
			t.Fatal(err)
		}
		if err := os.Lchown(p, uid, uid); err != nil {
			t.Fatal(err)
		}
		return p
	}
	ours := file("etc/ours", 0o644, 0, 0)
	inTheirs := file("theirs/ours", 0o644, 0, 0)
	if err := os.Chown(filepath.Dir(inTheirs), wwwData, wwwData); err != nil {
		t.Fatal(err)
	}
	inOpen := file("open/ours", 0o644, 0, 0)
	if err := os.Chmod(filepath.Dir(inOpen), 0o777); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path string
		want []string
	}{
		"ours":                     {ours, nil},
		"not there yet":            {filepath.Join(base, "etc", "new"), nil},
		"theirs":                   {file("etc/a", 0o644, wwwData, 0), []string{"etc/a is owned by www-data"}},
		"writable by all":          {file("etc/b", 0o666, 0, 0), []string{"etc/b is writable by every user"}},
		"writable by a group":      {file("etc/c", 0o664, 0, wwwData), []string{"etc/c is writable by group www-data"}},
		"writable by root's group": {file("etc/d", 0o664, 0, 0), nil},
		"in a folder of theirs":    {inTheirs, []string{"theirs is owned by www-data"}},
		"in an open folder":        {inOpen, []string{"open is writable by every user"}},
		"new in an open folder":    {filepath.Join(base, "open", "new"), []string{"open is writable by every user"}},
		"link of root":             {link("etc/mine", "ours", 0), nil},
		"link of theirs":           {link("etc/yours", ours, wwwData), []string{"etc/yours is owned by www-data"}},
		"link of root to theirs":   {link("etc/to", "../theirs/ours", 0), []string{"theirs is owned by www-data"}},
	} {
		got, err := (host.Local{}).Exposed(c.path)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var texts []string
		for _, e := range got {
			texts = append(texts, strings.TrimPrefix(e.String(), base+"/"))
		}
		if strings.Join(texts, "; ") != strings.Join(c.want, "; ") {
			t.Errorf("%s: %q, want %q", name, texts, c.want)
		}
	}
	if _, err := (host.Local{}).Exposed(link("etc/round", "round", 0)); err == nil {
		t.Error("a link to itself has an end")
	}
}
