package posture_test

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"postseal/internal/lab"
	"postseal/internal/postfix"
)

// knob is a parameter with values that it may have.
type knob struct {
	name   string
	values []string
}

// set is a random choice of some of them.
func set(r *rand.Rand, odds float64, knobs []knob) (out [][2]string) {
	for _, k := range knobs {
		if r.Float64() < odds {
			out = append(out, [2]string{k.name, k.values[r.IntN(len(k.values))]})
		}
	}
	return out
}

// mainLines are lines of main.cf, and overrides are arguments of a service, in each way
// in which master(5) lets them be written.
func mainLines(of [][2]string) string {
	var b strings.Builder
	for _, o := range of {
		fmt.Fprintf(&b, "%s = %s\n", o[0], o[1])
	}
	return b.String()
}

func overrides(r *rand.Rand, of [][2]string) string {
	var b strings.Builder
	for _, o := range of {
		switch plain := !strings.ContainsAny(o[1], " \t") && o[1] != ""; {
		case plain && r.IntN(3) == 0:
			fmt.Fprintf(&b, " -o%s=%s", o[0], o[1])
		case plain && r.IntN(2) == 0:
			fmt.Fprintf(&b, " -o %s=%s", o[0], o[1])
		default:
			fmt.Fprintf(&b, " -o { %s = %s }", o[0], o[1])
		}
	}
	return b.String()
}

// protocolLists are those that release v understands.
func protocolLists(v postfix.Version) []string {
	lists := []string{"!SSLv2, !SSLv3", "!SSLv2,!SSLv3,!TLSv1,!TLSv1.1", "TLSv1.2", "TLSv1.3", "!TLSv1.1", "!TLSv1.2", "TLSv1 TLSv1.2", "!TLSv1, !TLSv1.1, !TLSv1.2, !TLSv1.3", "all"}
	if v.AtLeast(postfix.V(3, 6, 0)) {
		lists = append(lists, ">=TLSv1", ">=TLSv1.2", ">=TLSv1.1, <=TLSv1.2", ">=TLSv1.3", "<=TLSv1.1", ">=0304", ">=TLSv1, !TLSv1.2")
	}
	return lists
}

// exclusions are lists of classes.
var exclusions = []string{"aNULL", "aNULL, kRSA, SHA1", "kRSA, kDHE, SHA1, CAMELLIA, ARIA, AESCCM8", "SHA256, SHA384", "RC4, 3DES, MD5, DES", "CAMELLIA:ARIA", "!SHA1", "SHA"}

var grades = []string{"medium", "high", "low", "HIGH", "export", "strong"}

// version is the release that is installed.
func version(t testing.TB) postfix.Version {
	t.Helper()
	lab.Need(t, "postconf")
	out, err := exec.Command("postconf", "-dh", "mail_version").Output()
	if err != nil {
		t.Fatal(err)
	}
	v, err := postfix.ParseVersion(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}
