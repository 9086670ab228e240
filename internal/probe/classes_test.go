package probe_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"postseal/internal/lab"
	"postseal/internal/probe"
)

// TestClasses compares the classes of suites with those of the OpenSSL that is installed,
// suite by suite.
func TestClasses(t *testing.T) {
	lab.Need(t, "openssl")
	in := func(class string) []string {
		out, err := exec.Command("openssl", "ciphers", "-s", "-tls1_2", class+":@SECLEVEL=0").Output()
		if err != nil {
			return nil // it has no suite of the class
		}
		return strings.Split(strings.TrimSpace(string(out)), ":")
	}
	all := in("ALL:COMPLEMENTOFALL")
	if len(all) < 50 {
		t.Fatalf("openssl has %d suites", len(all))
	}
	for _, class := range append(probe.Classes(), "AES128-SHA", "ECDHE-RSA-CHACHA20-POLY1305") {
		want := in(class)
		for _, s := range probe.Strong() {
			if slices.Contains(all, s.OpenSSL) && s.In(class) != slices.Contains(want, s.OpenSSL) {
				t.Errorf("%s in %s: %t", s.OpenSSL, class, s.In(class))
			}
		}
	}
}
