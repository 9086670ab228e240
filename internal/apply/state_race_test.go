package apply_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"postseal/internal/apply"
	"postseal/internal/host"
	"postseal/internal/lab"
)

// intruder is a machine on which another account acts between a look at a path and
// what comes next.
type intruder struct {
	host.Local
	looks *int
	after map[int]func() // by the number of looks
}

func (i intruder) Exposed(path string) ([]host.Exposure, error) {
	out, err := i.Local.Exposed(path)
	*i.looks++
	if do := i.after[*i.looks]; do != nil {
		do()
	}
	return out, err
}

// TestStateMadeMeanwhile: a state folder that is not there yet, and that another account,
// or the one that called sudo, makes between two steps, is not read.
func TestStateMadeMeanwhile(t *testing.T) {
	lab.NeedRoot(t)
	for name, c := range map[string]struct {
		sudo string
		gone bool // it is gone again at the next look
	}{
		"it stays":            {"", false},
		"it goes again":       {"", true},
		"of the sudo account": {"33", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("SUDO_UID", c.sudo)
			state := filepath.Join(lab.Dir(t), "state")
			m := intruder{looks: new(int), after: map[int]func(){}}
			m.after[1] = func() {
				data, err := json.Marshal(apply.Receipt{ID: "0001-20261130-120000", Kind: "apply", Phase: apply.Written, ConfigDir: "/etc/postfix", When: time.Now()})
				if err != nil {
					t.Fatal(err)
				}
				lab.Write(t, state, "journal.json", string(data), 0o600)
				if err := errors.Join(os.Chown(state, 33, 33), os.Chown(filepath.Join(state, "journal.json"), 33, 33)); err != nil {
					t.Fatal(err)
				}
			}
			if c.gone {
				m.after[2] = func() { _ = os.RemoveAll(state) }
			}
			if r, err := apply.Pending(m, state); !errors.Is(err, host.ErrExposed) {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}
