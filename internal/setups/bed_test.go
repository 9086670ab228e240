// Package setups runs the real program on whole configurations, in the shape in which
// well-known projects ship them, and holds what it says against what an administrator of
// that project would expect.
package setups

import (
	"bufio"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/txtar"

	"postseal/internal/lab"
	"postseal/internal/story"
)

// program is where the program under test is on a machine.
const program = "/usr/bin/postseal"

// bed is a machine with a set-up on it, whose Postfix runs.
type bed struct {
	*story.Machine
	// dir is the configuration directory.
	dir string
}

// newBed makes a machine of an archive. Its files are those of the machine, by their
// paths, with these in addition:
//
//	dovecot    the sockets on which Dovecot authenticates users, one a line
//	run        commands that the project runs before Postfix starts, one a line
//
// A file that consists of a word with @ in front is made by the test CA (see secrets).
func newBed(t *testing.T, a *txtar.Archive) *bed {
	t.Helper()
	m, err := story.NewMachine(lab.Dir(t), map[string]string{program: built, "/usr/bin/inside": self})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Stop)
	b := &bed{Machine: m}
	b.must(t, "rm", "-rf", "/etc/postfix/main.cf", "/etc/postfix/master.cf", "/etc/postseal", "/var/lib/postseal", "/var/log", "/etc/letsencrypt", "/etc/ssl/private", "/etc/ssl/certs/ssl-cert-snakeoil.pem", "/etc/mailname", "/etc/aliases", "/etc/aliases.db")
	ca := secrets(t)
	bundle, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt")
	if err != nil {
		t.Fatal(err)
	}
	b.put(t, "/etc/ssl/certs/ca-certificates.crt", string(bundle)+ca["root"])
	b.put(t, "/etc/resolv.conf", "nameserver 127.0.0.1\n")
	b.put(t, "/var/log/mail.log", "")
	var dovecot, run []string
	for _, f := range a.Files {
		text := string(f.Data)
		if word, secret := strings.CutPrefix(strings.TrimSpace(text), "@"); secret {
			if text = ca[word]; text == "" {
				t.Fatalf("%s: nothing is made for @%s", f.Name, word)
			}
		}
		switch f.Name {
		case "dovecot":
			dovecot = strings.Fields(text)
			continue
		case "run":
			run = strings.Split(strings.TrimSpace(text), "\n")
			continue
		}
		b.put(t, f.Name, text)
		if filepath.Base(f.Name) == "main.cf" {
			b.dir = filepath.Dir(f.Name)
		}
	}
	if b.dir != "/etc/postfix" { // what the package has there beside them
		b.must(t, "cp", "-rn", "/etc/postfix/.", b.dir)
	}
	for _, socket := range dovecot {
		b.dovecot(t, socket)
	}
	b.start(t, "SETUPS_RESOLVER=127.0.0.1:53")
	b.start(t, "SETUPS_RESOLVER=127.0.0.11:53") // Docker's
	for _, line := range run {
		b.must(t, "sh", "-c", line)
	}
	then := time.Now().Add(-time.Minute) // Postfix waits for a younger file
	if err := os.Chtimes(b.Path(b.dir+"/main.cf"), then, then); err != nil {
		t.Fatal(err)
	}
	b.must(t, "postfix", "-c", b.dir, "start")
	return b
}

// secrets are certificates and keys for mx.example.org, valid for 70 more days, as
// certbot and its like keep them.
func secrets(t *testing.T) map[string]string {
	t.Helper()
	ca := lab.NewCA(t)
	now := time.Now()
	age := func(l lab.Leaf) lab.Issued {
		l.NotBefore, l.NotAfter = now.AddDate(0, 0, -20), now.AddDate(0, 0, 70)
		return ca.Issue(t, l)
	}
	rsa, ec, own := age(lab.Leaf{RSA: true}), age(lab.Leaf{}), age(lab.Leaf{RSA: true, SelfSigned: true})
	other := age(lab.Leaf{Names: []string{"mail.example.net"}})
	return map[string]string{
		"root": ca.RootPEM, "intermediate": ca.IntermediatePEM,
		"rsa.chain": rsa.Cert + ca.IntermediatePEM, "rsa.key": rsa.Key, "rsa.leaf": rsa.Cert,
		"ecdsa.chain": ec.Cert + ca.IntermediatePEM, "ecdsa.key": ec.Key,
		"own.cert": own.Cert, "own.key": own.Key,
		"other.chain": other.Cert + ca.IntermediatePEM, "other.key": other.Key,
	}
}

// put writes a file; one with a private key is root's alone.
func (b *bed) put(t *testing.T, path, text string) {
	t.Helper()
	mode := fs.FileMode(0o644)
	if strings.Contains(text, "PRIVATE KEY") {
		mode = 0o600
	}
	if err := b.Write(path, text, mode); err != nil {
		t.Fatal(err)
	}
}

func (b *bed) must(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := b.Run(argv...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// start runs this program inside, as what a variable says, until the machine ends.
func (b *bed) start(t *testing.T, as string) {
	t.Helper()
	argv := b.Argv("env", as, "/usr/bin/inside")
	cmd := exec.Command(argv[0], argv[1:]...)
	ready, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if _, err := bufio.NewReader(ready).ReadString('\n'); err != nil {
		t.Fatalf("%s: %v", as, err)
	}
}

// dovecot answers on a socket as far as smtpd(8) asks before a user logs in.
func (b *bed) dovecot(t *testing.T, socket string) {
	t.Helper()
	b.must(t, "mkdir", "-p", filepath.Dir(socket))
	b.start(t, "SETUPS_DOVECOT="+socket)
	b.must(t, "chmod", "666", socket)
}

// inside is this program on a machine: a resolver that validates, or Dovecot.
func inside() {
	switch resolver, dovecot := os.Getenv("SETUPS_RESOLVER"), os.Getenv("SETUPS_DOVECOT"); {
	case resolver != "":
		p, err := net.ListenPacket("udp", resolver)
		if err != nil {
			panic(err)
		}
		fmt.Println("ready")
		panic((&dns.Server{PacketConn: p, Handler: dns.HandlerFunc(answer)}).ActivateAndServe())
	case dovecot != "":
		l, err := net.Listen("unix", dovecot)
		if err != nil {
			panic(err)
		}
		fmt.Println("ready")
		for {
			c, err := l.Accept()
			if err != nil {
				panic(err)
			}
			_, _ = c.Write([]byte("VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n"))
		}
	}
}

// answer vouches for the root zone, and knows no other name.
func answer(w dns.ResponseWriter, q *dns.Msg) {
	r := new(dns.Msg)
	r.SetReply(q)
	r.AuthenticatedData = true
	if q.Question[0].Name == "." {
		root, err := dns.NewRR(". 60 IN NS a.root-servers.net.")
		if err != nil {
			panic(err)
		}
		r.Answer = []dns.RR{root}
	} else {
		r.Rcode = dns.RcodeNameError
	}
	_ = w.WriteMsg(r)
}

// postseal runs the program under test and returns what it printed. It fails unless the
// program ends with one of the codes.
func (b *bed) postseal(t *testing.T, codes []int, args ...string) string {
	t.Helper()
	argv := b.Argv(append([]string{program, "--config-dir", b.dir}, args...)...)
	cmd := exec.Command(argv[0], argv[1:]...)
	var said strings.Builder
	cmd.Stderr = &said
	out, _ := cmd.Output()
	if code := cmd.ProcessState.ExitCode(); !slices.Contains(codes, code) {
		t.Fatalf("postseal %s ended with %d:\n%s%s", strings.Join(args, " "), code, out, said.String())
	}
	return string(out)
}

// files are main.cf and master.cf.
func (b *bed) files(t *testing.T) [2]string {
	t.Helper()
	var out [2]string
	for i, name := range []string{"main.cf", "master.cf"} {
		text, err := os.ReadFile(b.Path(filepath.Join(b.dir, name)))
		if err != nil {
			t.Fatal(err)
		}
		out[i] = string(text)
	}
	return out
}
