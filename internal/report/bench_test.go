package report_test

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/plan"
	"postseal/internal/postfix/maincf"
	"postseal/internal/report"
	"postseal/internal/session"
)

// longMain is a main.cf of 300 lines, as they have grown over the years.
func longMain() string {
	var b strings.Builder
	b.WriteString("myhostname = mx.example.org\nrelay_domains = example.org\nsmtpd_use_tls = yes\nsmtp_use_tls = yes\n" +
		"smtpd_tls_cert_file = /c/mx.pem\nsmtpd_tls_key_file = /c/mx.pem\nsmtpd_tls_session_cache_database = btree:${data_directory}/smtpd_scache\n")
	for n := strings.Count(b.String(), "\n"); n < 300; n += 3 {
		fmt.Fprintf(&b, "# what this is for, nobody remembers\nsite_map_%d = hash:/etc/postfix/map%d,\n\tcdr:$config_directory/more\n", n, n)
	}
	return b.String()
}

func longMachine(t testing.TB) *host.Fake {
	ca := lab.NewCA(t)
	leaf := ca.Issue(t, lab.Leaf{})
	return lab.Machine(t, "3.7.11", map[string]string{
		"main.cf": longMain(), "master.cf": "smtp inet n - y - - smtpd\nsmtp unix - - y - - smtp\n",
		"/c/mx.pem": leaf.Key + leaf.Cert + ca.IntermediatePEM, "/etc/ssl/certs/ca-certificates.crt": ca.RootPEM,
	})
}

// BenchmarkReadPlanDiff reads a main.cf of 300 lines, plans and compares,
// beside one run of postconf -n on the same file.
func BenchmarkReadPlanDiff(b *testing.B) {
	lab.Need(b, "postconf")
	m := longMachine(b)
	s, err := session.Open(context.Background(), m, session.Settings{ConfigDir: "/etc/postfix"}, nil)
	if err != nil {
		b.Fatal(err)
	}
	text := longMain()
	p, err := s.Plan(s.Answers)
	if err != nil || p.Empty() {
		b.Fatal(err)
	}
	dir := filepath.Join(m.Root, "/etc/postfix")
	var theirs time.Duration
	runs := 0
	for b.Loop() {
		s.Facts.Config.Main = maincf.Parse(text)
		if p, err = plan.Build(s.Facts, s.Answers, plan.Options{CertsDir: s.CertsDir, EtcDir: "/etc/postseal"}); err != nil {
			b.Fatal(err)
		}
		if d, err := report.Diffs(p); err != nil || len(d) == 0 {
			b.Fatal(err)
		}
		if runs < 40 { // enough for a mean
			b.StopTimer()
			start := time.Now()
			if out, err := exec.Command("postconf", "-c", dir, "-n").CombinedOutput(); err != nil {
				b.Fatalf("%s: %v", out, err)
			}
			theirs += time.Since(start)
			runs++
			b.StartTimer()
		}
	}
	ours := b.Elapsed() / time.Duration(b.N)
	b.ReportMetric(float64(theirs)/float64(runs)/float64(ours), "postconf/ours")
}
