package report_test

import (
	"strings"
	"testing"

	"postseal/internal/report"
)

// TestSpeaksASCII: the strongest variable that is set decides.
func TestSpeaksASCII(t *testing.T) {
	for _, c := range []struct {
		all, ctype, lang string
		want             bool
	}{
		{"", "", "", false},
		{"", "", "C.UTF-8", false},
		{"", "", "en_GB.utf8", false},
		{"", "", "C", true},
		{"", "", "de_DE.ISO-8859-1", true},
		{"C", "", "C.UTF-8", true},
		{"", "POSIX", "C.UTF-8", true},
		{"C.UTF-8", "POSIX", "C", false},
	} {
		env := map[string]string{"LC_ALL": c.all, "LC_CTYPE": c.ctype, "LANG": c.lang}
		if got := report.SpeaksASCII(func(name string) string { return env[name] }); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// TestASCIIWriter: signs are replaced, and names of others are not.
func TestASCIIWriter(t *testing.T) {
	var out strings.Builder
	const text = "✓ fine · ✗ müller → …\n"
	if n, err := (report.ASCIIWriter{Writer: &out}).Write([]byte(text)); n != len(text) || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if got := out.String(); got != "v fine - x müller -> ...\n" {
		t.Errorf("%q", got)
	}
}
