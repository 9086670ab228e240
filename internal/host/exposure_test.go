package host_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"postseal/internal/hint"
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

func texts(by []host.Exposure, base string) string {
	var out []string
	for _, e := range by {
		out = append(out, strings.ReplaceAll(e.String(), base+"/", ""))
	}
	return strings.Join(out, "; ")
}

// TestGroups: who is in a group, on distributions that put accounts into that of root,
// and what a group can change thereby.
func TestGroups(t *testing.T) {
	lab.NeedRoot(t)
	const passwd = "root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\nsync:x:5:0::/sbin:/bin/sync\noperator:x:11:0::/root:/sbin/nologin\nbin:x:1:1::/bin:\nalice:x:1000:1000::/home/alice:\nbob:x:1001:50::/home/bob:\n"
	for name, c := range map[string]struct {
		gid     int
		group   string
		members string
		known   bool
		exposed bool
	}{
		"root's own":                    {0, "root:x:0:\n", "root []", true, false},
		"root's own on Alpine":          {0, "root:x:0:root\n", "root []", true, false},
		"root's own, not listed":        {0, "", "0 []", true, false},
		"root's own, and an account's":  {0, "root:x:0:alice\n", "root [{alice 1000}]", true, true},
		"the names of root":             {7, "adm:x:7:root,toor\n", "adm []", true, false},
		"staff, supplementary, primary": {50, "staff:x:50:alice,bob,carol\n", "staff [{bob 1001} {alice 1000} {carol -1}]", true, true},
		"empty":                         {51, "empty:x:51:\n", "empty []", true, false},
		"not listed":                    {52, "", "52 []", false, true},
	} {
		root := lab.Dir(t)
		lab.Write(t, root, "etc/passwd", passwd, 0o644)
		lab.Write(t, root, "etc/group", c.group, 0o644)
		m := &host.Fake{Root: root}
		g := host.GroupByID(m, c.gid)
		if got := fmt.Sprint(g.Name, " ", g.Members); got != c.members || g.Known != c.known {
			t.Errorf("%s: %s, known: %v", name, got, g.Known)
		}
		main := lab.Write(t, root, "etc/main.cf", "", 0o664)
		if err := errors.Join(os.Chmod(main, 0o664), os.Chown(main, 0, c.gid)); err != nil {
			t.Fatal(err)
		}
		if by, err := m.Exposed("/etc/main.cf"); len(by) > 0 != c.exposed || err != nil {
			t.Errorf("%s: %v, %v", name, by, err)
		}
	}
}

// acl is an access control list: entries of a tag, permissions and a number.
func acl(entries ...[3]uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint32(b, e[0]|e[1]<<16)
		b = binary.LittleEndian.AppendUint32(b, e[2])
	}
	return b
}

// TestACL: what an access control list grants counts, as far as its mask lets it, and the
// remedy ends it.
func TestACL(t *testing.T) {
	lab.NeedRoot(t)
	const user, group, mask, none = 0x02, 0x08, 0x10, 0xffffffff
	for name, c := range map[string]struct {
		owning  uint32
		entries [][3]uint32
		want    string
	}{
		"writer":            {4, [][3]uint32{{user, 6, wwwData}, {mask, 6, none}}, "main.cf is writable by www-data"},
		"masked":            {4, [][3]uint32{{user, 6, wwwData}, {mask, 4, none}}, ""},
		"reader":            {6, [][3]uint32{{user, 4, wwwData}, {mask, 6, none}}, ""},
		"root":              {4, [][3]uint32{{user, 6, 0}, {mask, 6, none}}, ""},
		"group":             {4, [][3]uint32{{group, 6, wwwData}, {mask, 6, none}}, "main.cf is writable by group www-data"},
		"group of root":     {4, [][3]uint32{{group, 6, 0}, {mask, 6, none}}, ""},
		"account and group": {4, [][3]uint32{{user, 7, wwwData}, {group, 2, wwwData}, {mask, 7, none}}, "main.cf is writable by www-data and group www-data"},
	} {
		dir := lab.Dir(t)
		main := lab.Write(t, dir, "main.cf", "", 0o644)
		value := acl(append(append([][3]uint32{{0x01, 6, none}}, sorted(c.owning, c.entries)...), [3]uint32{0x20, 4, none})...)
		if err := unix.Setxattr(main, "system.posix_acl_access", value, 0); err != nil {
			t.Fatalf("%s: this file system has no access control lists: %v", name, err)
		}
		by, err := (host.Local{}).Exposed(main)
		if got := texts(by, dir); got != c.want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		for _, e := range by {
			words := e.Remedy()
			if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%q: %v: %s", words, err, out)
			}
		}
		if by, err := (host.Local{}).Exposed(main); len(by) > 0 || err != nil {
			t.Errorf("%s, after the remedy: %v, %v", name, by, err)
		}
		if name != "writer" {
			continue
		}
		if _, err := (host.Local{}).ReadOwn(main); err != nil {
			t.Errorf("after the remedy: %v", err)
		}
		cmd := exec.Command("sh", "-c", ": >> "+main)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: wwwData, Gid: wwwData}}
		if err := cmd.Run(); err == nil {
			t.Error("www-data can write all the same")
		}
		st, err := (host.Local{}).Stat(main)
		if err != nil || fmt.Sprint(st.Grants) != "[www-data group root]" || st.Grants[0].Perm != 0o4 {
			t.Errorf("%v, %v", st.Grants, err)
		}
	}
}

// sorted puts the entry of the owning group where the kernel wants it: after those of
// accounts, before those of groups.
func sorted(owning uint32, entries [][3]uint32) (out [][3]uint32) {
	at := 0
	for at < len(entries) && entries[at][0] == 0x02 {
		at++
	}
	out = append(out, entries[:at]...)
	out = append(out, [3]uint32{0x04, owning, 0xffffffff})
	return append(out, entries[at:]...)
}

// TestNoChownOfFolders: nobody is told to take a folder from its account, nor a file
// in a folder that another account can exchange it in.
func TestNoChownOfFolders(t *testing.T) {
	dir, ours := theirs(t), lab.Dir(t)
	write(t, filepath.Join(dir, "theirs"), "", 0o644, wwwData)
	write(t, filepath.Join(ours, "theirs"), "", 0o644, wwwData)
	symlink(t, "none", filepath.Join(ours, "link"), wwwData)
	for path, want := range map[string]string{
		dir:                           "move it to a directory that root owns",
		filepath.Join(dir, "new"):     "move it to a directory that root owns",
		filepath.Join(dir, "theirs"):  "move it to a directory that root owns",
		filepath.Join(ours, "theirs"): "run: chown -h root " + filepath.Join(ours, "theirs"),
		filepath.Join(ours, "link"):   "run: chown -h root " + filepath.Join(ours, "link"),
	} {
		err := host.Trusted(host.Local{}, path)
		if !errors.Is(err, host.ErrExposed) || hint.Of(err) != "use another file, or check its contents and "+want || !strings.HasPrefix(err.Error(), path+" can be changed by other accounts: ") {
			t.Errorf("%s: %v (%s)", path, err, hint.Of(err))
		}
	}
}

// TestContainer: the owner that stands for all accounts outside a container is trusted,
// but not with what lies where everyone can put files, and not if the container has it.
func TestContainer(t *testing.T) {
	lab.NeedRoot(t)
	const nobody, container, whole = 65534, "0 100000 65534\n", "0 0 4294967295\n"
	base := lab.Dir(t)
	put := func(name string, mode os.FileMode) string {
		if err := errors.Join(os.Mkdir(filepath.Join(base, name), 0o755), os.Mkdir(filepath.Join(base, name, "sub"), 0o755)); err != nil {
			t.Fatal(err)
		}
		p := lab.Write(t, base, filepath.Join(name, "sub", "file"), "", 0o644)
		if err := errors.Join(os.Chown(p, nobody, nobody), os.Chown(filepath.Join(base, name), nobody, nobody), os.Chmod(filepath.Join(base, name), mode)); err != nil {
			t.Fatal(err)
		}
		return p
	}
	mounted, sticky := put("mounted", 0o755), put("tmp", 0o777|os.ModeSticky)
	link := filepath.Join(base, "tmp", "link")
	symlink(t, mounted, link, 0)
	for name, c := range map[string]struct{ uidMap, path, want string }{
		"mounted":           {container, mounted, ""},
		"through a link":    {container, link, ""},
		"below a sticky":    {container, sticky, "tmp/sub/file is owned by nobody"},
		"mapped, mounted":   {"0 100000 65536\n", mounted, "mounted is owned by nobody; mounted/sub/file is owned by nobody"},
		"no container":      {whole, mounted, "mounted is owned by nobody; mounted/sub/file is owned by nobody"},
		"without namespace": {"", mounted, "mounted is owned by nobody; mounted/sub/file is owned by nobody"},
	} {
		by, err := host.ExposedIn(c.uidMap, "65534\n", c.path)
		if got := texts(by, base); got != c.want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
