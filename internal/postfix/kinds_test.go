package postfix_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"postseal/internal/lab"
	"postseal/internal/postfix"
	"postseal/internal/postfix/maincf"
)

// deaths asks daemons whether they end at a value, and in which words: started
// by hand with -S they read their parameters first, and log to a socket.
type deaths struct{ dir, daemons string }

func newDeaths(t *testing.T) deaths {
	lab.Need(t, "postconf")
	lab.NeedRoot(t)
	out, err := exec.Command("postconf", "-dh", "daemon_directory").Output()
	if err != nil {
		t.Fatal(err)
	}
	return deaths{lab.Dir(t), strings.TrimSpace(string(out))}
}

// says is what a program has to say about a value: one that dies says so at once,
// and one that lives is waited for.
func (d deaths) says(t *testing.T, program, name, value string, patience time.Duration) string {
	dir := lab.Dir(t)
	for _, sub := range []string{"queue/public", "queue/pid", "queue/private", "data"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	lab.Write(t, dir, "main.cf", "compatibility_level = 3.6\nmyhostname = mx.example.org\nqueue_directory = "+dir+"/queue\ndata_directory = "+dir+"/data\n"+
		"maillog_file = /var/log/none\nlocal_recipient_maps =\nalias_maps =\nmydestination =\nsmtpd_tls_security_level = may\nsmtpd_tls_cert_file = none\n", 0o644)
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "queue/public/postlog"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cmd := exec.Command(filepath.Join(d.daemons, program), "-S", "-o", name+"="+value)
	cmd.Env = append(os.Environ(), "MAIL_CONFIG="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	_ = l.SetReadDeadline(time.Now().Add(patience))
	buf, said := make([]byte, 4096), ""
	for !strings.Contains(said, "fatal") {
		n, err := l.Read(buf)
		if err != nil { // it lives
			return said
		}
		said += string(buf[:n]) + "\n"
	}
	return said
}

// TestKinds: of every TLS parameter that the installed Postfix has, what we take
// for a yes or no, a number, a time or a word kills the daemon if it is
// something else, by the daemon's own words; and what we do not take for such
// a value is none.
func TestKinds(t *testing.T) {
	t.Parallel()
	d := newDeaths(t)
	o := newOracle(t)
	defaults, ok, err := o.ask("", "", "-d")
	if !ok || err != nil {
		t.Fatal(err)
	}
	c := postfix.Config{Main: maincf.Parse(""), Defaults: defaults}
	words := map[postfix.Kind]string{postfix.Boolean: "bad boolean", postfix.Number: "bad numerical", postfix.Time: "bad time value", postfix.Word: "nvalid"}
	var wg sync.WaitGroup
	gate := make(chan struct{}, 32)
	judged := 0
	for name := range defaults {
		kind := c.KindOf(name)
		programs := postfix.Programs(name)
		if !strings.Contains(name, "tls") && postfix.Words(name) == nil || len(programs) == 0 || kind == postfix.Text {
			continue
		}
		if strings.HasPrefix(name, "tls_") && !strings.HasPrefix(name, "tls_random") {
			programs = programs[:1] // smtpd, which has TLS on here
		}
		judged++
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			if got := d.says(t, programs[0], name, "yes # 1", time.Minute); !strings.Contains(got, "fatal") || !strings.Contains(got, words[kind]) {
				t.Errorf("%s is %s: %s says %q", name, kind, programs[0], got)
			}
		})
	}
	wg.Wait()
	if judged < 60 {
		t.Errorf("only %d parameters were judged", judged)
	}
}

// TestWellformed: values, and the daemon's word on each.
func TestWellformed(t *testing.T) {
	t.Parallel()
	d := newDeaths(t)
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, x := range []struct {
		program, name, value string
		kind                 postfix.Kind
	}{
		{"smtp", "smtp_tls_wrappermode", "YES", postfix.Boolean},
		{"smtp", "smtp_tls_wrappermode", "", postfix.Boolean},
		{"smtp", "smtp_tls_wrappermode", "true", postfix.Boolean},
		{"smtp", "smtp_tls_scert_verifydepth", "1 1", postfix.Number},
		{"smtp", "smtp_starttls_timeout", "5 m", postfix.Time},
		{"smtp", "smtp_starttls_timeout", "5min", postfix.Time},
		{"smtp", "smtp_tls_security_level", "May", postfix.Word},
		{"smtp", "smtp_dns_support_level", "dnsec", postfix.Word},
	} {
		wg.Go(func() {
			got := d.says(t, x.program, x.name, x.value, 8*time.Second)
			if well := !strings.Contains(got, "fatal"); well != postfix.Wellformed(x.name, x.value, x.kind) {
				t.Errorf("%s = %q: %q", x.name, x.value, got)
			}
		})
	}
}
