package host_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/lab"
)

var _ = []host.Machine{host.Local{}, host.ReadOnly{}, &host.Recorder{}, &host.Fake{}}

func TestReplaceKeeps(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "real")
	link := filepath.Join(dir, "link")
	if err := os.WriteFile(target, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(target, 1234, 2345); err != nil {
			t.Fatal(err)
		}
	}
	hasXattr := unix.Setxattr(target, "user.note", []byte("mine"), 0) == nil
	if err := os.Symlink("real", link); err != nil {
		t.Fatal(err)
	}
	if err := (host.Local{}).Replace(link, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := os.Readlink(link); err != nil || got != "real" {
		t.Errorf("the link is gone: %q, %v", got, err)
	}
	if b, _ := os.ReadFile(target); string(b) != "new" {
		t.Errorf("content %q", b)
	}
	st, err := (host.Local{}).Stat(target)
	if err != nil || st.Mode.Perm() != 0o640 {
		t.Errorf("mode %v, %v", st.Mode, err)
	}
	if os.Geteuid() == 0 && (st.UID != 1234 || st.GID != 2345) {
		t.Errorf("owner %d:%d", st.UID, st.GID)
	}
	if age := time.Since(st.ModTime); age < 2*time.Second {
		t.Errorf("the file is %v old: Postfix would wait for it to cool down", age)
	}
	if hasXattr {
		value := make([]byte, 10)
		if n, err := unix.Getxattr(target, "user.note", value); err != nil || string(value[:n]) != "mine" {
			t.Errorf("extended attribute: %q, %v", value, err)
		}
	}
	left, _ := filepath.Glob(filepath.Join(dir, ".*"))
	if len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestReplaceNew(t *testing.T) {
	p := filepath.Join(t.TempDir(), "key.pem")
	if err := (host.Local{}).Replace(p, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(p); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
}

func TestReplaceIgnoresWhatLiesInTheWay(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	p := filepath.Join(dir, "main.cf")
	for _, f := range []string{victim, p} {
		if err := os.WriteFile(f, []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(victim, filepath.Join(dir, ".main.cf.postseal")); err != nil {
		t.Fatal(err)
	}
	if err := (host.Local{}).Replace(p, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(victim); string(b) != "old" {
		t.Error("wrote through a planted link")
	}
	if err := (host.Local{}).Replace(dir, nil, 0o600); !errors.Is(err, host.ErrNotRegular) {
		t.Errorf("replacing a folder: %v", err)
	}
}

func TestReadFileRefuses(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(big, 100<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := (host.Local{}).ReadFile(big); !errors.Is(err, host.ErrTooLarge) {
		t.Errorf("100 MB: %v", err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{pipe, dir, "/dev/zero"} {
		if _, err := (host.Local{}).ReadFile(p); !errors.Is(err, host.ErrNotRegular) {
			t.Errorf("%s: %v", p, err)
		}
	}
	if _, err := (host.Local{}).ReadFile(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

// TestReadingOpensNoDevice: what is not a regular file is not opened at all, neither by
// its path, nor through a link.
func TestReadingOpensNoDevice(t *testing.T) {
	lab.NeedRoot(t)
	dir := t.TempDir()
	regular, device, pipe := lab.Write(t, dir, "regular", "text", 0o600), filepath.Join(dir, "device"), filepath.Join(dir, "pipe")
	if err := errors.Join(unix.Mknod(device, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))), unix.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	opened, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(opened)
	for _, p := range []string{regular, device, pipe} {
		if _, err := unix.InotifyAddWatch(opened, p, unix.IN_OPEN); err != nil {
			t.Fatal(err)
		}
	}
	isOpened := func() bool {
		n, _ := unix.Read(opened, make([]byte, 4096))
		return n > 0
	}
	for name, read := range map[string]func(string) ([]byte, error){
		"ReadFile": host.Local{}.ReadFile, "ReadOwn": host.Local{}.ReadOwn,
		"ReadTail": func(p string) ([]byte, error) { return host.Local{}.ReadTail(p, 0) },
	} {
		if b, err := read(regular); string(b) != "text" || err != nil || !isOpened() {
			t.Fatalf("%s: %q, %v, or it is not seen that it is opened", name, b, err)
		}
		for _, p := range []string{device, pipe} {
			link := filepath.Join(dir, name+filepath.Base(p))
			if err := os.Symlink(p, link); err != nil {
				t.Fatal(err)
			}
			for _, p := range []string{p, link} {
				if _, err := read(p); !errors.Is(err, host.ErrNotRegular) {
					t.Errorf("%s %s: %v", name, p, err)
				}
				if isOpened() {
					t.Errorf("%s opened %s", name, p)
				}
			}
		}
	}
}

// TestLockEditAgainstPostconf: while we hold the lock, `postconf -e` waits,
// and afterwards its edit is not lost.
func TestLockEditAgainstPostconf(t *testing.T) {
	lab.Need(t, "postconf")
	dir := t.TempDir()
	main := filepath.Join(dir, "main.cf")
	lab.Write(t, dir, "main.cf", "a = 1\n", 0o644)
	lab.Write(t, dir, "master.cf", "", 0o644)
	release, err := (host.Local{}).LockEdit(context.Background(), main)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		out, err := exec.Command("postconf", "-c", dir, "-e", "mydomain=theirs").CombinedOutput()
		if err != nil {
			err = errors.New(string(out))
		}
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("postconf -e did not wait: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	if err := (host.Local{}).Replace(main, []byte("a = ours\n"), 0); err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("postconf -e still waits")
	}
	b, err := os.ReadFile(main)
	if err != nil || string(b) != "a = ours\nmydomain = theirs\n" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := os.Stat(main + ".tmp"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("main.cf.tmp is still there: %v", err)
	}
}

// TestNoLostEdits: many editors of both kinds at once, and every edit is there.
func TestNoLostEdits(t *testing.T) {
	lab.Need(t, "postconf")
	dir := t.TempDir()
	main := filepath.Join(dir, "main.cf")
	lab.Write(t, dir, "main.cf", "", 0o644)
	lab.Write(t, dir, "master.cf", "", 0o644)
	const n = 12
	var wg sync.WaitGroup
	for i := range n {
		name := string(rune('a'+i)) + "_name"
		wg.Add(2)
		go func() {
			defer wg.Done()
			if out, err := exec.Command("postconf", "-c", dir, "-e", name+"_theirs=1").CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		}()
		go func() {
			defer wg.Done()
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			release, err := (host.Local{}).LockEdit(ctx, main)
			if err != nil {
				t.Error(err)
				return
			}
			b, err := os.ReadFile(main)
			if err != nil {
				t.Error(err)
			}
			if err := (host.Local{}).Replace(main, append(b, name+"_ours = 1\n"...), 0); err != nil {
				t.Error(err)
			}
			if err := release(); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	b, err := os.ReadFile(main)
	if err != nil {
		t.Fatal(err)
	}
	if got := bytes.Count(b, []byte("\n")); got != 2*n {
		t.Errorf("%d edits of %d survive:\n%s", got, 2*n, b)
	}
}

func TestLockEditTakesOverRubbish(t *testing.T) {
	dir := t.TempDir()
	main := filepath.Join(dir, "main.cf")
	// What a crashed editor or a careless hand leaves: wrong mode.
	if err := os.WriteFile(main+".tmp", []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	release, err := (host.Local{}).LockEdit(context.Background(), main)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(main + ".tmp"); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 250*time.Millisecond)
	defer cancel()
	if _, err := (host.Local{}).LockEdit(ctx, main); !errors.Is(err, host.ErrLocked) {
		t.Errorf("second lock: %v", err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}

func TestReadOnly(t *testing.T) {
	m := host.ReadOnly{Reader: host.Local{}}
	p := filepath.Join(t.TempDir(), "x")
	_, errMkdir := m.MkdirAll(p, 0o755)
	_, errLock := m.Lock(p)
	_, errEdit := m.LockEdit(context.Background(), p)
	_, errAct := m.Act(context.Background(), "true")
	for _, err := range []error{m.Replace(p, nil, 0o600), m.Remove(p), errMkdir, errLock, errEdit, errAct} {
		if !errors.Is(err, host.ErrReadOnly) {
			t.Errorf("%v", err)
		}
	}
}

// TestDeny: a file that a user may not read is denied in every way of reading.
func TestDeny(t *testing.T) {
	dir := t.TempDir()
	closed, open := lab.Write(t, dir, "closed", "x", 0o600), lab.Write(t, dir, "open", "x", 0o600)
	m := host.Deny{Machine: host.Local{}, Paths: []string{closed}}
	for name, read := range map[string]func(string) ([]byte, error){
		"ReadFile": m.ReadFile, "ReadOwn": m.ReadOwn,
		"ReadTail": func(p string) ([]byte, error) { return m.ReadTail(p, 0) },
	} {
		if _, err := read(closed); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s of a closed file: %v", name, err)
		}
		if b, err := read(open); string(b) != "x" || err != nil {
			t.Errorf("%s of an open file: %q, %v", name, b, err)
		}
	}
}

func TestRun(t *testing.T) {
	t.Setenv("MAIL_CONFIG", "/elsewhere")
	t.Setenv("LANG", "de_DE.UTF-8")
	t.Setenv("CF_DNS_API_TOKEN", "secret")
	t.Setenv("TZ", "Europe/Berlin")
	o, err := (host.Local{}).Run(context.Background(), "env")
	for _, line := range strings.Fields(o.Stdout) {
		if name, _, _ := strings.Cut(line, "="); !slices.Contains([]string{"PATH", "LC_ALL", "HOME", "TZ", "TMPDIR"}, name) {
			t.Errorf("a program is handed %s", line)
		}
	}
	if err != nil || !strings.Contains(o.Stdout, "LC_ALL=C\n") || !strings.Contains(o.Stdout, "TZ=Europe/Berlin\n") {
		t.Errorf("%v\n%s", err, o.Stdout)
	}
	if o, err := (host.Local{}).Run(context.Background(), "sh", "-c", "echo no >&2; exit 3"); err != nil || o.Code != 3 || o.Stderr != "no\n" {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err := (host.Local{}).Run(context.Background(), "sh", "-c", "echo yes; sleep 4 &"); err != nil || o.Stdout != "yes\n" {
		t.Errorf("what goes on in the background makes it fail: %+v, %v", o, err)
	}
	if _, err := (host.Local{}).Run(context.Background(), "no-such-program"); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := (host.Local{}).Run(ctx, "sleep", "5"); !errors.Is(err, context.DeadlineExceeded) || err.Error() != "running sleep: it did not finish in time" {
		t.Errorf("%v", err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	cancel()
	if _, err := (host.Local{}).Run(ctx, "sleep", "5"); !errors.Is(err, context.Canceled) || err.Error() != "running sleep: interrupted" {
		t.Errorf("%v", err)
	}
}

// TestPrograms: a program is taken from PATH, but not from the folder of another
// account, nor from the folder that happens to be the working directory.
func TestPrograms(t *testing.T) {
	dir, ours := theirs(t), lab.Dir(t)
	lab.Write(t, dir, "postconf", "#!/bin/sh\necho theirs\n", 0o755)
	lab.Write(t, ours, "postconf", "#!/bin/sh\necho ours\n", 0o755)
	lab.Write(t, ours, "only-here", "#!/bin/sh\necho theirs\n", 0o755)
	t.Chdir(ours)
	t.Setenv("PATH", ".::"+dir+":"+ours+":"+os.Getenv("PATH"))
	if o, err := (host.Local{}).Run(context.Background(), "postconf"); err != nil || o.Stdout != "ours\n" {
		t.Errorf("%+v, %v", o, err)
	}
	t.Setenv("PATH", ".")
	if o, err := (host.Local{}).Run(context.Background(), "only-here"); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestProgramsOfOthers: a program that another account can change is not run, neither by
// its path, nor because it lies where the programs of the system do.
func TestProgramsOfOthers(t *testing.T) {
	dir, ours := theirs(t), lab.Dir(t)
	bin := filepath.Join(ours, "bin")
	lab.Write(t, bin, "tool", "#!/bin/sh\necho theirs\n", 0o755)
	lab.Write(t, dir, "tool", "#!/bin/sh\necho theirs\n", 0o755)
	if err := errors.Join(os.Chown(bin, 0, wwwData), os.Chmod(bin, 0o775)); err != nil { // as /usr/local/bin with a member of staff
		t.Fatal(err)
	}
	host.SearchPath(t, bin)
	for name, ours := range map[string]bool{"tool": false, filepath.Join(bin, "tool"): false, filepath.Join(dir, "tool"): false, "/bin/sh": true} {
		for _, path := range []string{bin, "/nowhere"} {
			t.Setenv("PATH", path)
			o, err := (host.Local{}).Act(context.Background(), name, "-c", "echo ours")
			if ours && (err != nil || o.Stdout != "ours\n") || !ours && (!errors.Is(err, host.ErrExposed) || hint.Of(err) == "" || o.Stdout != "") {
				t.Errorf("%s with PATH=%s: %+v, %v", name, path, o, err)
			}
			if err := (host.Local{}).Detach(name, "-c", ":"); (err == nil) != ours {
				t.Errorf("detaching %s: %v", name, err)
			}
		}
	}
	// The program of the user who called by sudo may be this one.
	own := lab.Write(t, ours, "own", "#!/bin/sh\necho own\n", 0o755)
	if err := os.Chown(own, 1234, 1234); err != nil {
		t.Fatal(err)
	}
	if _, err := (host.Local{}).Act(context.Background(), own); !errors.Is(err, host.ErrExposed) {
		t.Errorf("without sudo: %v", err)
	}
	t.Setenv("SUDO_UID", "1234")
	if o, err := (host.Local{}).Act(context.Background(), own); err != nil || o.Stdout != "own\n" {
		t.Errorf("with sudo: %+v, %v", o, err)
	}
}

// TestSyncOrder: the data is on the disc before the name points to it, and the
// name before the run goes on: else a power cut could leave an empty file.
func TestSyncOrder(t *testing.T) {
	if path := os.Getenv("SYNC_ORDER"); path != "" {
		if err := (host.Local{}).Replace(path, []byte("new"), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	lab.Need(t, "strace")
	path := lab.Write(t, t.TempDir(), "file", "old", 0o600)
	cmd := exec.Command("strace", "-f", "-qq", "-y", "-e", "trace=fsync,rename,renameat,renameat2", os.Args[0], "-test.run=^TestSyncOrder$")
	cmd.Env = append(os.Environ(), "SYNC_ORDER="+path)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var order []string
	for _, l := range strings.Split(string(out), "\n") {
		switch {
		case strings.Contains(l, "fsync(") && strings.Contains(l, ".file.postseal"):
			order = append(order, "data")
		case strings.Contains(l, "rename") && strings.Contains(l, ".file.postseal"):
			order = append(order, "name")
		case strings.Contains(l, "fsync(") && strings.Contains(l, filepath.Dir(path)+">"):
			order = append(order, "folder")
		}
	}
	if got := strings.Join(order, " "); got != "data name folder" {
		t.Errorf("%q\n%s", got, out)
	}
}
