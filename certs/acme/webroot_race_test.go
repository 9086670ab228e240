//go:build linux

package acme

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"postseal/internal/lab"
)

// racing is the environment variable that makes this program the neighbour of
// TestWebrootRace, in the webroot that it names.
const racing = "POSTSEAL_WEBROOT_RACE"

// TestWebrootRacer is no test: it is the process that TestWebrootRace races with, under
// the account of the web server.
func TestWebrootRacer(t *testing.T) {
	root := os.Getenv(racing)
	if root == "" {
		t.Skip("TestWebrootRace starts it")
	}
	stop := make(chan struct{})
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadByte() // ends with the other process
		close(stop)
	}()
	at := func(name string) string { return filepath.Join(root, name) }
	n := 0
	swap := func(a, b string) bool {
		if unix.Renameat2(unix.AT_FDCWD, at(a), unix.AT_FDCWD, at(b), unix.RENAME_EXCHANGE) != nil {
			return false
		}
		n++
		return true
	}
	// Each pair is a name that is presented through, and a link that takes its place.
	pairs := [][2]string{
		{".well-known", "to-folder"},
		{".well-known", "to-file"},
		{".well-known/acme-challenge", ".well-known/to-folder"},
		{".well-known/acme-challenge", ".well-known/to-file"},
	}
	for i, limit := 0, time.Now().Add(20*time.Second); i < 1_000_000 && time.Now().Before(limit); i++ {
		select {
		case <-stop:
			fmt.Println("exchanged", n)
			return
		default:
		}
		p := pairs[i%len(pairs)]
		for range 8 { // back and forth
			swap(p[0], p[1])
		}
		// The folder is missing until root makes it, and is then exchanged at once.
		if os.Rename(at(p[0]), at("mine")) != nil {
			continue
		}
		for range 2000 {
			if swap(p[0], p[1]) {
				swap(p[0], p[1])
				break
			}
		}
		_ = os.Rename(at(p[0]), at(fmt.Sprintf("gone-%d", i)))
		_ = os.Rename(at("mine"), at(p[0]))
	}
	fmt.Println("exchanged", n)
}

// TestWebrootRace: while the account of the web server exchanges the folders of the
// challenge for links, nothing of root that the links lead to changes, and nothing
// appears there.
func TestWebrootRace(t *testing.T) {
	const challenges = 200
	lab.NeedRoot(t)
	dir := lab.Dir(t)
	root, victim := filepath.Join(dir, "www"), filepath.Join(dir, "victim")
	if err := os.MkdirAll(filepath.Join(victim, "acme-challenge"), 0o700); err != nil {
		t.Fatal(err)
	}
	lab.Write(t, victim, "shadow", "root:secret\n", 0o600)
	n := lab.NewNeighbour(t, "")
	n.Folder(root)
	n.Folder(filepath.Join(root, ".well-known"))
	n.Folder(filepath.Join(root, ".well-known/acme-challenge"))
	for _, at := range []string{root, filepath.Join(root, ".well-known")} {
		n.Link(victim, filepath.Join(at, "to-folder"))
		n.Link(filepath.Join(victim, "shadow"), filepath.Join(at, "to-file"))
	}
	n.Watch(victim)

	racer := exec.Command("/proc/self/exe", "-test.run", "^TestWebrootRacer$", "-test.v")
	racer.Env = []string{racing + "=" + root}
	racer.Dir = "/"
	racer.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: lab.WWWData, Gid: lab.WWWData}}
	var said strings.Builder
	racer.Stdout, racer.Stderr = &said, &said
	stop, err := racer.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := racer.Start(); err != nil {
		t.Fatal(err)
	}
	presented, tripped := 0, 0
	var first []string
	for i := range challenges {
		w := &webroot{dir: root} // each order has its own
		token := fmt.Sprintf("token-%d", i)
		if w.Present("", token, "answer") == nil {
			presented++
		}
		what := n.Tripped()
		_ = w.CleanUp("", token, "") // what is left behind is in the neighbour's own folder
		if what = append(what, n.Tripped()...); len(what) > 0 {
			if tripped++; first == nil {
				first = what
			}
		}
	}
	if err := stop.Close(); err != nil {
		t.Error(err)
	}
	if err := racer.Wait(); err != nil {
		t.Fatalf("the neighbour: %v: %s", err, said.String())
	}
	var swaps int
	for line := range strings.Lines(said.String()) {
		_, _ = fmt.Sscanf(line, "exchanged %d", &swaps)
	}
	t.Logf("%d challenges against %d exchanges: %d presented, %d changed something of root's", challenges, swaps, presented, tripped)
	if swaps < 100 {
		t.Errorf("no race: %s", said.String())
	}
	if tripped > 0 {
		t.Errorf("%d of %d challenges changed something of root's; the first:\n  %s", tripped, challenges, strings.Join(first, "\n  "))
	}
}
