package detect_test

import (
	"context"
	"errors"
	"testing"

	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/lab"
)

// TestInterrupted: who is interrupted is not told to mend main.cf.
func TestInterrupted(t *testing.T) {
	lab.Need(t, "postconf")
	dir := t.TempDir()
	lab.Write(t, dir, "main.cf", "compatibility_level = 3.6\n", 0o644)
	lab.Write(t, dir, "master.cf", "", 0o644)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := detect.Look(ctx, host.ReadOnly{Reader: host.Local{}}, dir, "", nil)
	if !errors.Is(err, context.Canceled) || errors.Is(err, detect.ErrRejected) {
		t.Errorf("%v", err)
	}
}
