package lineage_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/lineage"
)

// intruder is a machine on which another account makes a record after the first look
// at its path.
type intruder struct {
	host.Local
	plant func()
}

func (i *intruder) Exposed(path string) ([]host.Exposure, error) {
	out, err := i.Local.Exposed(path)
	if i.plant != nil {
		i.plant()
		i.plant = nil
	}
	return out, err
}

// TestRecordMadeMeanwhile: a record that another account, or the one that called sudo,
// makes between the look at its path and the reading, is not read.
func TestRecordMadeMeanwhile(t *testing.T) {
	lab.NeedRoot(t)
	for _, sudo := range []string{"", "33"} {
		t.Setenv("SUDO_UID", sudo)
		state := filepath.Join(lab.Dir(t), "state")
		m := &intruder{plant: func() {
			lab.Write(t, state, "lineages/mx.example.org.json", "{}", 0o600)
			for _, p := range []string{"", "lineages", "lineages/mx.example.org.json"} {
				if err := os.Chown(filepath.Join(state, p), 33, 33); err != nil {
					t.Fatal(err)
				}
			}
		}}
		if _, err := (lineage.Store{M: m, StateDir: state}).Read("mx.example.org"); !errors.Is(err, host.ErrExposed) {
			t.Errorf("sudo %q: %v", sudo, err)
		}
	}
}
