package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postseal/cmd/cli"
	"postseal/internal/lab"
)

// TestManLinks: a link that another account has left under the name of a page is not
// written through.
func TestManLinks(t *testing.T) {
	n := lab.NewNeighbour(t, "")
	dir, victims := lab.Dir(t), lab.Dir(t)
	lab.Write(t, victims, "victim", "secret", 0o600)
	n.Link(filepath.Join(victims, "victim"), filepath.Join(dir, "postseal-plan.1"))
	n.Watch(victims)
	var said strings.Builder
	code := Main([]string{"man", dir}, nil, io.Discard, &said)
	if bad := n.Tripped(); code != cli.Failed || len(bad) > 0 {
		t.Errorf("exit code %d: %q: %s", code, bad, said.String())
	}
	if err := os.Remove(filepath.Join(dir, "postseal-plan.1")); err != nil {
		t.Fatal(err)
	}
	if code := Main([]string{"man", dir}, nil, io.Discard, io.Discard); code != cli.Done {
		t.Errorf("exit code %d", code)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "postseal*.1"))
	if err != nil || len(pages) < 20 {
		t.Errorf("%d pages, %v", len(pages), err)
	}
	for _, p := range pages {
		if b, err := os.ReadFile(p); err != nil || !strings.Contains(string(b), ".TH") {
			t.Errorf("%s: %.80q, %v", p, b, err)
		}
	}
}
