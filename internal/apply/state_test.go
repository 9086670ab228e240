package apply_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/plan"
)

// TestStateOfOthers: what stands in a state folder that another account can write to is
// not carried out, by no verb, and the hint names the command that mends it.
func TestStateOfOthers(t *testing.T) {
	lab.NeedRoot(t)
	const id = "0001-20261130-120000"
	victim := filepath.Join(lab.Dir(t), "x.pem")
	config := lab.Dir(t)
	for name, c := range map[string]struct {
		mend   string // the command before the path of the state folder
		loosen func(state string) error
	}{
		"owned by another account": {"chown -h root ", func(s string) error { return os.Chown(s, 33, 33) }},
		"writable by all":          {"chmod go-w ", func(s string) error { return os.Chmod(s, 0o777) }},
		"a file of another": {"chown -h root ", func(s string) error {
			return errors.Join(os.Chown(filepath.Join(s, "journal.json"), 33, 33), os.Chown(filepath.Join(s, "receipts", id+".json"), 33, 33), os.Chown(filepath.Join(s, "unconfirmed.json"), 33, 33))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			state := lab.Dir(t)
			record := apply.Receipt{ID: id, Kind: "apply", Phase: apply.Written, ConfigDir: config, When: time.Now(),
				Entries: []apply.Entry{{Path: victim, Kind: plan.ChainPEM, After: plan.Digest(nil), Mode: 0o644, New: true}}}
			put := func(name string, v any) {
				data, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				lab.Write(t, state, name, string(data), 0o600)
			}
			put("journal.json", record)
			lab.Write(t, state, "backups/"+id+"/new-0", "planted", 0o600)
			record.Phase = apply.Kept
			put("receipts/"+id+".json", record)
			put("unconfirmed.json", apply.Unconfirmed{Run: id, ConfigDir: config})
			if err := c.loosen(state); err != nil {
				t.Fatal(err)
			}
			ctx, o := context.Background(), apply.Options{StateDir: state, FilesOnly: true}
			errs := map[string]error{}
			_, errs["undo"] = apply.Undo(ctx, host.Local{}, config, "", o)
			_, errs["finish"] = apply.Finish(ctx, host.Local{}, o)
			_, errs["confirm"] = apply.Confirm(ctx, host.Local{}, state, config, "")
			_, errs["history"] = apply.History(host.Local{}, state, "")
			_, errs["waiting"] = apply.Waiting(host.Local{}, state)
			_, errs["apply"] = apply.Run(ctx, host.Local{}, &plan.Plan{ConfigDir: config, Files: []plan.File{{Path: filepath.Join(config, "main.cf"), Kind: plan.MainCF, After: "x"}}}, o)
			for verb, err := range errs {
				if !errors.Is(err, host.ErrExposed) || !strings.Contains(hint.Of(err), c.mend+state) {
					t.Errorf("%s: %v (%s)", verb, err, hint.Of(err))
				}
			}
			if _, err := os.Stat(victim); err == nil {
				t.Error("it was written all the same")
			}
		})
	}
}
