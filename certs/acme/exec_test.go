package acme

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postseal/internal/host"
	"postseal/internal/lab"
)

// TestExecProgram: a program that another account could change is not run, and one that
// is run hears of no secret in our environment.
func TestExecProgram(t *testing.T) {
	lab.NeedRoot(t)
	t.Setenv("CF_DNS_API_TOKEN", "secret")
	dir := lab.Dir(t)
	seen := filepath.Join(dir, "seen")
	program := lab.Write(t, dir, "hook", "#!/bin/sh\nenv >"+seen+"\n", 0o755)
	if err := (Exec{Program: program}).Present(context.Background(), "x.", "value"); err != nil {
		t.Fatal(err)
	}
	env, err := os.ReadFile(seen)
	if err != nil || strings.Contains(string(env), "secret") || !strings.Contains(string(env), "PATH=") {
		t.Errorf("%s, %v", env, err)
	}
	if err := errors.Join(os.Remove(seen), os.Chown(program, 33, 33)); err != nil {
		t.Fatal(err)
	}
	if err := (Exec{Program: program}).Present(context.Background(), "x.", "value"); !errors.Is(err, host.ErrExposed) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(seen); err == nil {
		t.Error("it was run all the same")
	}
}
