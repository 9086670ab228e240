package main

import (
	"context"
	"io"
	"testing"

	"postseal/internal/host"
)

// TestAbsolute: what is started from another folder, such as the process that
// takes a run back, means the same state.
func TestAbsolute(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	a := &app{out: io.Discard, err: io.Discard, ctx: context.Background(), machine: &host.Recorder{Machine: host.Local{}}}
	root := a.root()
	root.SetArgs([]string{"history", "--state-dir", "state", "--config-dir", "etc/../conf", "--certs-dir", "./certs"})
	_ = root.Execute() // there is no such instance
	for got, want := range map[string]string{a.settings.StateDir: "/state", a.settings.ConfigDir: "/conf", a.settings.CertsDir: "/certs"} {
		if got != dir+want {
			t.Errorf("%q, not %q", got, dir+want)
		}
	}
}
