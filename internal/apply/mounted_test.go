package apply_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/lab"
)

// TestMountedFile: a main.cf that is shared with a container by itself is known before
// anything is rehearsed or written.
func TestMountedFile(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	conf := filepath.Join(b.Config(), "main.cf")
	before := b.read(t, "main.cf")
	s, p := b.plan(t, "cert="+b.dir+"/ssl/mx.pem", "key="+b.dir+"/ssl/mx.key")
	shared := lab.Write(t, b.dir, "on the host/main.cf", before, 0o644)
	if err := unix.Mount(shared, conf, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("nothing can be mounted here: %v", err)
	}
	mounted := true
	unmount := func() {
		if err := unix.Unmount(conf, unix.MNT_DETACH); mounted && err != nil {
			t.Error(err)
		}
		mounted = false
	}
	t.Cleanup(unmount)
	var steps []string
	o := options(s, p)
	o.Rehearse = s.Rehearse(nil)
	o.Events = func(e apply.Event) { steps = append(steps, e.Step) }
	_, err := apply.Run(context.Background(), host.Local{}, p, o)
	if err == nil || !strings.Contains(err.Error(), "a mount point of its own") || !strings.Contains(hint.Of(err), "--config-dir") {
		t.Errorf("%v; %s", err, hint.Of(err))
	}
	for _, step := range steps {
		if slices.Contains([]string{"rehearse", "back up", "write"}, step) || strings.Contains(step, "rehears") {
			t.Errorf("it had got as far as %q", step)
		}
	}
	now, err := os.ReadFile(shared)
	if err != nil || string(now) != before {
		t.Errorf("the shared file has changed: %v", err)
	}
	unmount()
	if _, err := apply.Run(context.Background(), host.Local{}, p, o); err != nil {
		t.Errorf("without the mount: %v", err)
	}
}
