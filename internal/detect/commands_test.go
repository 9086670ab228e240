package detect_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/lab"
)

// TestDeadServices: what a real Postfix says of services that never answer is found
// before anyone connects, and nothing is said of those that do.
func TestDeadServices(t *testing.T) {
	lab.NeedRoot(t)
	dead := []struct{ command, kind, text, logged string }{
		{"smtpdpickup unix n - y 60 1 pickup", "no program", "does not exist; its line continues with another service", "smtpdpickup: No such file or directory"},
		{"/usr/sbin/smtpd", "no program", "does not exist; the command must be the name of a program in daemon_directory", "//usr/sbin/smtpd: No such file or directory"},
		{"../sbin", "no program", "is a directory", "/../sbin: Permission denied"},
		{"../../../../etc/passwd", "no program", "is not executable", "/etc/passwd: Permission denied"},
		{"../../../../dev/null", "no program", "is not a regular file", "/dev/null: Permission denied"},
		{"smtpd/x", "no program", "does not exist", "smtpd/x: Not a directory"},
		{"smtpd -o smtpd_tls_mandatory_protocols=!SSLv2, !SSLv3, !TLSv1", "stray words", "write -o { smtpd_tls_mandatory_protocols = !SSLv2, !SSLv3, !TLSv1 }", "unexpected command-line argument: !SSLv3,"},
		{"smtpd # our own", "stray words", "put the comment on a line of its own", "unexpected command-line argument: #"},
		{"smtpd smtpd_banner=x", "stray words", "write -o before a setting", "unexpected command-line argument: smtpd_banner=x"},
	}
	master := "%s inet n - n - - smtpd\n"
	var addrs, want []string
	for _, d := range dead {
		a := lab.Addr(t)
		addrs = append(addrs, a)
		master += a + " inet n - n - - " + d.command + "\n"
		want = append(want, d.kind+" "+a+"/inet")
	}
	fine := lab.Addr(t)
	s := lab.Postfix(t, "service_throttle_time = 1s\n", master+fine+" inet n - n - - smtpd -o { smtpd_tls_mandatory_protocols = !SSLv2, !SSLv3 } -o smtpd_banner=a --\n")
	f, err := detect.Look(context.Background(), host.Local{}, s.Config(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range f.Problems {
		if p.Kind == detect.Stray || p.Kind == detect.NoProgram {
			got = append(got, string(p.Kind)+" "+p.Origin.Service)
			i := slices.Index(addrs, strings.TrimSuffix(p.Origin.Service, "/inet"))
			if i >= 0 && (!strings.Contains(p.Text, dead[i].text) || p.Origin.Line != line(t, s.Config()+"/master.cf", addrs[i]) || !p.Fatal) {
				t.Errorf("%+v, not %q", p, dead[i].text)
			}
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	for i, d := range dead {
		c, err := net.Dial("tcp", addrs[i])
		if err != nil {
			t.Fatalf("%s: %v", d.command, err) // the master listens all the same
		}
		defer func() { _ = c.Close() }()
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		b, err := os.ReadFile(s.LogPath())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(dead, func(d struct{ command, kind, text, logged string }) bool {
			return !strings.Contains(string(b), d.logged)
		})
		if i < 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("Postfix does not say %q:\n%s", dead[i].logged, b)
		}
	}
}

// line is the number of the line that begins with a word.
func line(t *testing.T, path, word string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return 1 + slices.IndexFunc(strings.Split(string(b), "\n"), func(l string) bool { return strings.HasPrefix(l, word+" ") })
}

// TestUnseenPrograms: where Postfix's programs may not be seen, or are not on this
// machine, nothing is said of them; and not all of too many are looked at.
func TestUnseenPrograms(t *testing.T) {
	master := smtp + "scan unix - - n - - smtppickup\n"
	programs := func(m *host.Fake) (out []string) {
		for _, p := range look(t, m).Problems {
			if p.Kind == detect.NoProgram {
				out = append(out, p.Text)
			}
		}
		return out
	}
	m := lab.Machine(t, "3.7.11", map[string]string{"main.cf": named, "master.cf": master})
	if got := programs(m); len(got) != 0 {
		t.Errorf("without a Postfix: %q", got)
	}
	for _, name := range []string{"master", "smtp", "smtpd"} {
		lab.Write(t, m.Root, "/usr/lib/postfix/sbin/"+name, "", 0o755)
	}
	if got := programs(m); len(got) != 1 || !strings.HasPrefix(got[0], "scan/unix: /usr/lib/postfix/sbin/smtppickup does not exist") {
		t.Errorf("%q", got)
	}
	for i := range 600 {
		master += fmt.Sprintf("s%d unix - - n - - smtp%d\n", i, i)
	}
	lab.Write(t, m.Root, "/etc/postfix/master.cf", master, 0o644)
	if got := programs(m); len(got) >= 600 {
		t.Errorf("%d programs were looked at", len(got))
	}
}

// TestWholeOverride: Postfix before 3.0 has no braces.
func TestWholeOverride(t *testing.T) {
	for version, want := range map[string]string{"2.11.3": "write -o smtpd_tls_protocols=!SSLv2,!SSLv3", "3.0.0": "write -o { smtpd_tls_protocols = !SSLv2, !SSLv3 }"} {
		m := lab.Machine(t, "3.7.11", map[string]string{"main.cf": named, "master.cf": "smtp inet n - n - - smtpd\n  -o smtpd_tls_protocols=!SSLv2, !SSLv3\n"})
		const command = "postconf -c /etc/postfix -d"
		m.Programs[command] = host.Output{Stdout: strings.ReplaceAll(m.Programs[command].Stdout, "mail_version = 3.7.11", "mail_version = "+version)}
		f := look(t, m)
		i := slices.IndexFunc(f.Problems, func(p detect.Problem) bool { return p.Kind == detect.Stray })
		if i < 0 || !strings.HasSuffix(f.Problems[i].Text, want) || f.Problems[i].Origin.Line != 2 {
			t.Errorf("%s: %+v", version, f.Problems)
		}
	}
}
