package posture_test

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/posture"
)

// BenchmarkPosture is the posture of a main.cf of 300 lines with 20 services, and beside it
// one run of postconf -P on the same files.
func BenchmarkPosture(b *testing.B) {
	lab.NeedRoot(b)
	var main, services strings.Builder
	for i := range 280 {
		fmt.Fprintf(&main, "own_%d = $myhostname value %d\n", i, i)
	}
	main.WriteString("smtpd_tls_security_level = may\nsmtpd_tls_exclude_ciphers = aNULL, kRSA\nsmtp_tls_security_level = may\n")
	for i := range 20 {
		if i%2 == 0 {
			fmt.Fprintf(&services, "127.0.0.1:%d inet n - n - - smtpd -o smtpd_tls_security_level=encrypt\n", 20000+i)
		} else {
			fmt.Fprintf(&services, "t%d unix - - n - - smtp -o smtp_tls_security_level=encrypt\n", i)
		}
	}
	dir := lab.Dir(b)
	lab.Write(b, dir, "main.cf", main.String(), 0o644)
	lab.Write(b, dir, "master.cf", services.String(), 0o644)
	f, err := detect.Look(context.Background(), host.ReadOnly{Reader: host.Local{}}, dir, "", nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("posture", func(b *testing.B) {
		for b.Loop() {
			if p := posture.Of(f, f.Config, nil); len(p.Listeners)+len(p.Routes) != 20 {
				b.Fatal(p)
			}
		}
	})
	b.Run("postconf -P", func(b *testing.B) {
		for b.Loop() {
			if err := exec.Command("postconf", "-c", dir, "-P").Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
