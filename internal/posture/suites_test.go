package posture_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"postseal/internal/lab"
	"postseal/internal/posture"
)

// TestLeftByHand: what is left of lists that projects and guides write by hand is what
// OpenSSL leaves, for certificates of either algorithm. Postfix takes eNULL out of all lists.
func TestLeftByHand(t *testing.T) {
	lab.Need(t, "openssl")
	const mozilla = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES128-GCM-SHA256"
	for _, s := range []posture.Suites{
		{List: mozilla},
		{List: mozilla, Excluded: []string{"aNULL", "SEED", "CAMELLIA", "RSA+AES", "SHA1"}},
		{List: mozilla + ":AES128-SHA:AES256-SHA:DES-CBC3-SHA", Excluded: []string{"aNULL", "RC4"}},
		{List: "aNULL:-aNULL:HIGH:MEDIUM:+RC4:@STRENGTH", Excluded: []string{"aNULL", "SEED", "CAMELLIA", "RSA+AES", "SHA1"}},
		{List: "aNULL:-aNULL:HIGH:@STRENGTH", Excluded: []string{"ECDHE-RSA-RC4-SHA", "RC4", "aNULL", "DES-CBC3-SHA", "EDH-RSA-DES-CBC3-SHA"}},
		{List: "EDH+CAMELLIA:EDH+aRSA:EECDH+aRSA+AESGCM:EECDH+aRSA+SHA256:EECDH:+CAMELLIA128:+AES128:!aNULL:!eNULL:!LOW:!3DES:!MD5:!EXP:!PSK:!DSS:!RC4:!SEED:!IDEA:!ECDSA:CAMELLIA128-SHA:AES128-SHA"},
		{List: "ALL:!aNULL:@SECLEVEL=0", Excluded: []string{"RSA", "ADH"}},
		{List: "ECDHE:-ECDHE:ECDHE+AESGCM:!AES256:DHE", Excluded: []string{"AES256+SHA384"}},
		{List: "kEECDH:kEDH:AESCCM:ARIA256:CHACHA20:!AECDH"},
	} {
		expression := s.Expression()
		out, err := exec.Command("openssl", "ciphers", "-s", "-tls1_2", expression+":!eNULL:@SECLEVEL=0").Output()
		if err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		var want, got []string
		for name := range strings.SplitSeq(strings.TrimSpace(string(out)), ":") {
			if !strings.Contains(name, "PSK") && !strings.Contains(name, "DSS") && !strings.HasPrefix(name, "SRP") {
				want = append(want, name)
			}
		}
		left, known := s.Left("RSA", "ECDSA")
		if !known {
			t.Errorf("%s: not known", expression)
			continue
		}
		for _, suite := range left {
			got = append(got, suite.OpenSSL)
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Errorf("%s:\nOpenSSL %v\nhere    %v", expression, want, got)
		}
	}
	if _, known := (posture.Suites{List: "DEFAULT"}).Left("RSA"); known {
		t.Error("DEFAULT is taken for known")
	}
}
