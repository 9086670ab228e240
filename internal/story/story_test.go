package story

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"

	"postseal/internal/lab"
	"postseal/internal/lab/pebble"
)

var (
	snap   = flag.String("snap", "", "write pictures into this `folder`")
	update = flag.Bool("update", false, "write the screens that are seen into the stories")
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) {
	if addr := os.Getenv("STORY_DNS"); addr != "" {
		serveDNS(addr)
	}
	if dir := os.Getenv("STORY_CA"); dir != "" {
		serveCA(dir)
	}
	if dir := os.Getenv("STORY_MAIL"); dir != "" {
		flow(dir)
	}
	flag.Parse()
	dir, err := os.MkdirTemp("", "postseal-story-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "postseal")
	if out, err := exec.Command("go", "build", "-o", binary, "postseal/cmd/postseal").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// serveDNS answers as a resolver that validates: for the root zone, for what
// the file /tmp/zone has at that moment, and NXDOMAIN to the rest. It runs inside
// a machine.
func serveDNS(addr string) {
	dns.HandleFunc(".", func(w dns.ResponseWriter, q *dns.Msg) {
		r := new(dns.Msg)
		r.SetReply(q)
		r.AuthenticatedData = true
		if q.Question[0].Name == "." {
			rr, err := dns.NewRR(". 60 IN NS a.root-servers.net.")
			if err != nil {
				panic(err)
			}
			r.Answer = append(r.Answer, rr)
		} else {
			r.Rcode = dns.RcodeNameError
		}
		zone, _ := os.ReadFile("/tmp/zone")
		for _, line := range strings.Split(string(zone), "\n") {
			if rr, err := dns.NewRR(line); err == nil && rr != nil && rr.Header().Name == strings.ToLower(q.Question[0].Name) && rr.Header().Rrtype == q.Question[0].Qtype {
				r.Answer, r.Rcode = append(r.Answer, rr), dns.RcodeSuccess
			}
		}
		_ = w.WriteMsg(r)
	})
	err := (&dns.Server{Addr: addr, Net: "udp"}).ListenAndServe()
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// standalone lets Pebble run outside a test, until the process ends.
type standalone struct{}

func (standalone) Helper()        {}
func (standalone) Cleanup(func()) {}
func (standalone) Fatal(a ...any) { fmt.Fprintln(os.Stderr, a...); os.Exit(1) }

// serveCA is a CA inside a machine. It leaves its address, its root and the
// port on which it looks for challenges in dir. While there is a file "hang", it
// does not answer who wants it to sign.
func serveCA(dir string) {
	hang := func(_ *pebble.Server, h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/finalize-order/") && exists(filepath.Join(dir, "hang")) {
				<-r.Context().Done()
				return
			}
			h.ServeHTTP(w, r)
		})
	}
	p := pebble.New(standalone{}, pebble.Options{HTTPPort: 80, Wrap: hang})
	p.DNS.Add("mx.example.org. 1 IN A 127.0.0.1", "mail.example.org. 1 IN A 127.0.0.1")
	_, port, err := net.SplitHostPort(p.HTTPAddr)
	for name, text := range map[string]string{"ca.pem": p.RootPEM, "http": port, "url": p.Directory} {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	if err != nil {
		standalone{}.Fatal(err)
	}
	select {}
}

// scene is what a story works with.
type scene struct {
	machine *Machine
	term    *Term
	dns     *exec.Cmd
	ca      *exec.Cmd
	mail    *exec.Cmd
}

type sceneKey struct{}

func current(ts *testscript.TestScript) *scene { return ts.Value(sceneKey{}).(*scene) }

// TestStories runs testdata/*.txtar. A story runs on a disposable copy of this
// machine, with a real Postfix on port 25.
func TestStories(t *testing.T) {
	lab.NeedRoot(t)
	lab.Need(t, "postfix", "unshare", "nsenter", "strace", "openssl", "ip", "pkill", "setpriv", "systemd-analyze")
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		Deadline:            time.Now().Add(20 * time.Minute),
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			s := &scene{}
			e.Values[sceneKey{}] = s
			e.Setenv("TMPDIR", "/tmp") // of the machine, not of the story
			e.Defer(func() {
				if s.term != nil {
					s.term.Kill()
				}
				if s.dns != nil {
					_ = s.dns.Process.Kill()
					_ = s.dns.Wait()
				}
				if s.ca != nil {
					_ = s.ca.Process.Kill()
					_ = s.ca.Wait()
				}
				if s.mail != nil {
					_ = s.mail.Process.Kill()
					_ = s.mail.Wait()
				}
				if s.machine != nil {
					s.machine.Stop()
				}
			})
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"machine": cmdMachine, "resolver": cmdResolver, "ca": cmdCA, "in": cmdIn, "put": cmdPut, "same": cmdSame, "held": cmdHeld,
			"term": cmdTerm, "see": cmdSee, "type": cmdType, "screen": cmdScreen, "snap": cmdSnap, "bye": cmdBye, "swap": cmdSwap,
			"mail": cmdMail, "timer": cmdTimer, "keyless": cmdKeyless,
		},
	})
}

// machine [KIND]: a machine with an ageing Postfix: router (default),
// mailserver, or bare (no main.cf of ours).
func cmdMachine(ts *testscript.TestScript, _ bool, args []string) {
	s := current(ts)
	dir := ts.MkAbs("machine")
	ts.Check(os.MkdirAll(dir, 0o755))
	m, err := NewMachine(dir, map[string]string{"/usr/bin/postseal": binary})
	ts.Check(err)
	s.machine = m
	kind := "router"
	if len(args) > 0 {
		kind = args[0]
	}
	ts.Check(furnish(m, kind))
}

// furnish lays out the configuration of a machine and starts its Postfix.
func furnish(m *Machine, kind string) error {
	main, master := ageingMain, ageingMaster
	if kind == "mailserver" {
		master += usersMaster
	}
	key, cert, err := fixedCertificate()
	if err != nil {
		return err
	}
	for _, f := range []struct {
		path, text string
		mode       os.FileMode
	}{
		{"/etc/postfix/main.cf", main, 0o644}, {"/etc/postfix/master.cf", master, 0o644},
		{"/etc/ssl/mail/mx.pem", cert, 0o644}, {"/etc/ssl/mail/mx.key", key, 0o600},
		{"/etc/resolv.conf", "nameserver 127.0.0.1\n", 0o644},
	} {
		if err := m.Write(f.path, f.text, f.mode); err != nil {
			return err
		}
	}
	// An installed postseal would be found before the one under test.
	if _, err := m.Run("rm", "-rf", "/usr/local/bin/postseal", "/etc/ssl/certs/ssl-cert-snakeoil.pem", "/etc/postseal", "/var/lib/postseal", "/var/log/mail.log"); err != nil {
		return err
	}
	then := time.Now().Add(-time.Minute)
	if err := os.Chtimes(m.Path("/etc/postfix/main.cf"), then, then); err != nil {
		return err
	}
	// What the checks of a first start would look at was installed with Postfix.
	if err := m.Write("/var/spool/postfix/quick-start", "", 0o600); err != nil {
		return err
	}
	_, err = m.Run("postfix", "start")
	return err
}

// resolver: a resolver on 127.0.0.1 that validates.
func cmdResolver(ts *testscript.TestScript, _ bool, _ []string) {
	s := current(ts)
	s.dns = s.self(ts, "STORY_DNS=127.0.0.1:53")
	time.Sleep(300 * time.Millisecond) // it says nothing when it is ready
}

// ca: an ACME server; /tmp/ca has url, ca.pem, and the port for http-01.
func cmdCA(ts *testscript.TestScript, _ bool, _ []string) {
	s := current(ts)
	ts.Check(os.MkdirAll(s.machine.Path("/tmp/ca"), 0o755))
	s.ca = s.self(ts, "STORY_CA=/tmp/ca")
	for range 200 {
		if _, err := os.Stat(s.machine.Path("/tmp/ca/url")); err == nil {
			time.Sleep(50 * time.Millisecond)
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	ts.Fatalf("the CA does not come up")
}

// self runs this test program inside, as what a variable says.
func (s *scene) self(ts *testscript.TestScript, as string) *exec.Cmd {
	self, err := os.Executable()
	ts.Check(err)
	program, err := os.ReadFile(self)
	ts.Check(err)
	path, _, _ := strings.Cut("/tmp/"+as, "=") // a running program cannot be written to
	ts.Check(s.machine.Write(path, string(program), 0o755))
	argv := s.machine.Argv("env", as, path)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	ts.Check(cmd.Start())
	return cmd
}

// in [-as USER] PROGRAM ARGS...: run a program inside; with ! it must fail.
// in =N PROGRAM: it must end with code N.
func cmdIn(ts *testscript.TestScript, neg bool, args []string) {
	s := current(ts)
	want := -1
	if n, ok := strings.CutPrefix(args[0], "="); ok {
		var err error
		want, err = strconv.Atoi(n)
		ts.Check(err)
		args = args[1:]
	}
	argv := s.machine.Argv(args...)
	err := ts.Exec(argv[0], argv[1:]...)
	var exit *exec.ExitError
	code := 0
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	switch {
	case want >= 0 && code != want:
		ts.Fatalf("%v ended with %d, want %d", args, code, want)
	case want < 0 && neg == (code == 0):
		ts.Fatalf("%v ended with %d", args, code)
	}
}

// put FILE PATH [MODE]: a file of the story goes into the machine.
func cmdPut(ts *testscript.TestScript, _ bool, args []string) {
	mode := os.FileMode(0o644)
	if len(args) > 2 {
		n, err := strconv.ParseUint(args[2], 8, 32)
		ts.Check(err)
		mode = os.FileMode(n)
	}
	ts.Check(current(ts).machine.Write(args[1], ts.ReadFile(args[0]), mode))
}

// held PATH FILE: keep what is at PATH inside as FILE.
func cmdHeld(ts *testscript.TestScript, _ bool, args []string) {
	b, err := os.ReadFile(current(ts).machine.Path(args[0]))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o600))
}

// same PATH FILE: what is at PATH inside is what is in FILE; with ! it is not.
func cmdSame(ts *testscript.TestScript, neg bool, args []string) {
	b, err := os.ReadFile(current(ts).machine.Path(args[0]))
	ts.Check(err)
	if (string(b) == ts.ReadFile(args[1])) == neg {
		ts.Fatalf("%s and %s: same is %v\n%s", args[0], args[1], neg, b)
	}
}

// swap OLD NEW PATH: replace text in a file inside, as a hand would.
func cmdSwap(ts *testscript.TestScript, _ bool, args []string) {
	p := current(ts).machine.Path(args[2])
	b, err := os.ReadFile(p)
	ts.Check(err)
	if !bytes.Contains(b, []byte(args[0])) {
		ts.Fatalf("%s has no %q", args[2], args[0])
	}
	ts.Check(os.WriteFile(p, bytes.Replace(b, []byte(args[0]), []byte(args[1]), 1), 0o644))
}

// term WxH [light|mute|nocolor|dumb|user]... PROGRAM ARGS...: start a program
// inside on a terminal.
func cmdTerm(ts *testscript.TestScript, _ bool, args []string) {
	s := current(ts)
	w, h, _ := strings.Cut(args[0], "x")
	look := Look{}
	var err error
	look.Width, err = strconv.Atoi(w)
	ts.Check(err)
	look.Height, err = strconv.Atoi(h)
	ts.Check(err)
	args = args[1:]
	var as []string
options:
	for {
		switch args[0] {
		case "light":
			look.Light = true
		case "mute":
			look.Mute = true
		case "nocolor":
			look.Env = append(look.Env, "NO_COLOR=1")
		case "dumb":
			look.Env = append(look.Env, "TERM=dumb")
		case "user":
			as = []string{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"}
		default:
			break options
		}
		args = args[1:]
	}
	s.term, err = Start(context.Background(), look, s.machine.Argv(append(as, args...)...)...)
	ts.Check(err)
}

func cmdSee(ts *testscript.TestScript, neg bool, args []string) {
	t := current(ts).term
	if neg {
		ts.Check(t.Gone(args[0], 10*time.Second))
		return
	}
	ts.Check(t.See(args[0], time.Minute))
}

// type KEYS: Go escapes; "\x1b[B" is the down key.
func cmdType(ts *testscript.TestScript, _ bool, args []string) {
	for _, a := range args {
		s, err := strconv.Unquote(`"` + a + `"`)
		ts.Check(err)
		ts.Check(current(ts).term.Type(s))
		time.Sleep(30 * time.Millisecond) // as a fast typist; the screen is waited for by see
	}
}

// screen FILE: the screen is the one in FILE, but for what differs from run to
// run. With -update, FILE becomes what is seen.
func cmdScreen(ts *testscript.TestScript, _ bool, args []string) {
	got := timeless(current(ts).term.Text())
	golden, err := os.ReadFile(ts.MkAbs(args[0]))
	if !*update {
		ts.Check(err)
	}
	want := timeless(string(golden))
	if got == want {
		return
	}
	if *update {
		updated(ts, args[0], got)
		return
	}
	ts.Fatalf("the screen differs\n--- want\n%s\n--- got\n%s", want, got)
}

// updated writes a screen back into its story.
func updated(ts *testscript.TestScript, name, text string) {
	path := filepath.Join("testdata", ts.Name()+".txtar")
	b, err := os.ReadFile(path)
	ts.Check(err)
	head := "-- " + name + " --\n"
	before, after, ok := strings.Cut(string(b), head)
	if !ok {
		before, after = string(b), ""
	}
	rest := ""
	if i := strings.Index(after, "\n-- "); i >= 0 {
		rest = after[i+1:]
	} else if strings.HasPrefix(after, "-- ") {
		rest = after
	}
	ts.Check(os.WriteFile(path, []byte(before+head+text+rest), 0o644))
}

// What differs from run to run or from machine to machine.
var (
	runID    = regexp.MustCompile(`\d{4}-\d{8}-\d{6}`)
	hexadec  = regexp.MustCompile(`\b[0-9a-f]{12}\b`)
	versions = regexp.MustCompile(`(Postfix|OpenSSL) \d+\.\d+\.\d+`)
	clock    = regexp.MustCompile(`20\d\d-\d\d-\d\d \d\d:\d\d(:\d\d)?`)
	today    = regexp.MustCompile(`20[23]\d-\d\d-\d\d`) // the fixed certificate ends in 2041
	left     = regexp.MustCompile(`[#-]{12} \d+ of \d+ days`)
	numbers  = regexp.MustCompile(`\d+ (CAs?|handshakes)\b`)
	spinner  = regexp.MustCompile(`(?m)^   [|/\\-] `)
	blanks   = regexp.MustCompile(` {2,}`)
)

func timeless(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		n := runID.ReplaceAllString(l, "NNNN-DATE-TIME")
		n = hexadec.ReplaceAllString(n, "xxxxxxxxxxxx")
		n = versions.ReplaceAllString(n, "$1 X")
		n = clock.ReplaceAllString(n, "DATE TIME")
		n = today.ReplaceAllString(n, "DATE")
		n = left.ReplaceAllString(n, "##---- N of N days")
		n = numbers.ReplaceAllString(n, "N $1")
		if n != l {
			n = blanks.ReplaceAllString(n, "  ") // columns move with the length
		}
		lines[i] = spinner.ReplaceAllString(n, "   | ")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}

// snap NAME: a picture of the screen, if pictures are wanted.
func cmdSnap(ts *testscript.TestScript, _ bool, args []string) {
	if *snap == "" {
		return
	}
	var b bytes.Buffer
	ts.Check(current(ts).term.PNG(&b, 18))
	ts.Check(os.WriteFile(filepath.Join(*snap, args[0]+".png"), b.Bytes(), 0o644))
}

// bye [CODE...]: the program ends by itself, with one of these codes (0).
func cmdBye(ts *testscript.TestScript, _ bool, args []string) {
	s := current(ts)
	if len(args) == 0 {
		args = []string{"0"}
	}
	code, err := s.term.Wait(60 * time.Second)
	ts.Check(err)
	if !slices.Contains(args, strconv.Itoa(code)) {
		ts.Fatalf("it ended with %d, want %s\n%s", code, strings.Join(args, " or "), s.term.Text())
	}
	s.term = nil
}
