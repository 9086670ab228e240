package rehearse_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"postseal/internal/lab"
	"postseal/internal/probe"
	"postseal/internal/rehearse"
)

// BenchmarkRehearsal sets a rehearsal against what it replaces: one `postfix
// start` of the same configuration, and one handshake with it. Both are measured
// in turns in the same run; the figures are medians in milliseconds, and their
// ratio.
func BenchmarkRehearsal(b *testing.B) {
	bed := newBed(b)
	main := "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = " + bed.ec + ", " + bed.rs + "\nsmtp_tls_security_level = encrypt\nsmtp_tls_CAfile = " + publicStore(b, bed) + "\n"
	c := bed.candidate(b, main, sendingMaster)
	for name, run := range map[string]func() error{
		"receiving": func() error {
			r, err := rehearse.Receive(context.Background(), c, rehearse.Options{})
			return check(b, r, err)
		},
		"sending": func() error {
			r, err := rehearse.Send(context.Background(), c, nil, rehearse.Destination{}, rehearse.Options{})
			return check(b, r, err)
		},
		"matrix": func() error {
			_, err := rehearse.Send(context.Background(), c, rehearse.Levels, rehearse.Destination{}, rehearse.Options{})
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			var ours, plain []time.Duration
			for b.Loop() {
				began := time.Now()
				if err := run(); err != nil {
					b.Fatal(err)
				}
				ours = append(ours, time.Since(began))
				plain = append(plain, plainStart(b, main))
			}
			b.ReportMetric(median(ours), "ms")
			b.ReportMetric(median(plain), "start-ms")
			b.ReportMetric(median(ours)/median(plain), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func check(b *testing.B, r *rehearse.Report, err error) error {
	if err == nil && len(r.Failures()) > 0 {
		b.Errorf("%+v", r.Failures())
	}
	return err
}

// plainStart is how long `postfix start` and one handshake take.
func plainStart(b *testing.B, main string) time.Duration {
	b.Helper()
	dir := lab.Dir(b)
	addr := lab.Addr(b)
	i, err := rehearse.Create(dir, rehearse.Base(dir, "3.6")+main, addr+" inet n - n - - smtpd\n"+rehearse.BaseServices)
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	if out, err := exec.Command("postfix", "-c", i.Config(), "start").CombinedOutput(); err != nil {
		b.Fatalf("%v %s", err, out)
	}
	defer func() { _ = exec.Command("postfix", "-c", i.Config(), "stop").Run() }()
	for time.Since(began) < 20*time.Second {
		if _, err := probe.Handshake(context.Background(), probe.Target{Addr: addr}, probe.Options{}); err == nil {
			return time.Since(began)
		}
	}
	b.Fatalf("nothing greets; see %s", filepath.Join(dir, "log"))
	return 0
}

func median(all []time.Duration) float64 {
	sorted := append([]time.Duration{}, all...)
	slices.Sort(sorted)
	return float64(sorted[len(sorted)/2].Microseconds()) / 1000
}
