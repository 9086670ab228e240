package templates_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"postseal/internal/lab"
)

// exposure runs systemd-analyze security on a unit; 3.0 of 10 is the most that it
// lets through.
func exposure(unit string) (string, error) {
	out, err := exec.Command("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=30", unit).CombinedOutput()
	return string(out), err
}

// TestExposure: the units run with little power, as systemd counts it.
func TestExposure(t *testing.T) {
	lab.Need(t, "systemd-analyze")
	for _, unit := range []string{"postseal-renew.service", "postseal-listen.service", "postseal-policy.service"} {
		if out, err := exposure(unit); err != nil {
			t.Errorf("%s: %v\n%s", unit, err, out)
		}
	}
}

// TestExposureCanFail: the same unit without its limits is exposed.
func TestExposureCanFail(t *testing.T) {
	lab.Need(t, "systemd-analyze")
	text, err := os.ReadFile("postseal-renew.service")
	if err != nil {
		t.Fatal(err)
	}
	limit := regexp.MustCompile(`(?m)^(CapabilityBoundingSet|NoNewPrivileges|Protect\w+|Private\w+|Restrict\w+|SystemCall\w+)=.*$`)
	unit := filepath.Join(t.TempDir(), "postseal-renew.service")
	if err := os.WriteFile(unit, limit.ReplaceAll(text, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exposure(unit); err == nil {
		t.Errorf("it is let through:\n%s", out)
	}
}
