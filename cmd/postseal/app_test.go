package main

import (
	"context"
	"io"
	"os"
	"strings"
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

// TestFull: what could not be printed is no success.
func TestFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer func() { _ = full.Close() }()
	for _, args := range [][]string{{"version"}, {"--help"}, {"questions"}} {
		var said strings.Builder
		if code := Main(args, nil, full, &said); code != exitFailed || !strings.Contains(said.String(), "no space left") {
			t.Errorf("%q: %d %s", args, code, said.String())
		}
		if code := Main(args, nil, io.Discard, &said); code != exitDone {
			t.Errorf("%q: %d", args, code)
		}
	}
}

// TestGone: who goes away while there is more to read has interrupted the run,
// as Ctrl-C does, and is told nothing.
func TestGone(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	for _, args := range [][]string{{"version"}, {"--help"}, {"questions"}} {
		var said strings.Builder
		if code := Main(args, nil, w, &said); code != exitInterrupted || said.Len() > 0 {
			t.Errorf("%q: %d %s", args, code, said.String())
		}
	}
}

// TestPolicyMatrix: a policy cannot be sent at every level, and begins with one.
func TestPolicyMatrix(t *testing.T) {
	var said strings.Builder
	if code := Main([]string{"rehearse", "--destination", "example.com", "--policy", "bogus"}, nil, io.Discard, &said); code != exitUsage || !strings.Contains(said.String(), `"bogus" is no TLS level`) {
		t.Errorf("%d %s", code, said.String())
	}
	if code := Main([]string{"rehearse", "--matrix", "--destination", "example.com", "--policy", "secure"}, nil, io.Discard, &said); code != exitUsage || !strings.Contains(said.String(), "either --policy or --matrix") {
		t.Errorf("%d %s", code, said.String())
	}
}
