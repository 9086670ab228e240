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

// TestManual: a page has every section that a reader looks for, and nothing that man(1)
// takes for a request of its own.
func TestManual(t *testing.T) {
	run, stop := cli.Start(nil, io.Discard, io.Discard)
	defer stop()
	root := (&app{Run: run}).root()
	apply, _, err := root.Find([]string{"apply"})
	if err != nil {
		t.Fatal(err)
	}
	page := manual(apply)
	for _, want := range []string{`.TH "POSTSEAL-APPLY" 1`, ".SH NAME\npostseal\\-apply \\- ", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH OPTIONS\n", "\\fB\\-\\-yes\\fR\ndo not ask",
		`.SH "EXIT STATUS"` + "\n.TP\n0\n", ".SH FILES", ".SH EXAMPLES", "postseal apply \\-\\-confirm\\-within 10m", "\\fBpostseal\\fR(1)"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing in\n%s", want, page)
		}
	}
	if got := roff(".x\n'y\n" + `\z`); got != `\&.x`+"\n"+`\&'y`+"\n"+`\ez` {
		t.Errorf("%q", got)
	}
}

// TestExamples: every example is of a command that there is, with flags that it has.
func TestExamples(t *testing.T) {
	for name, text := range examples {
		for line := range strings.Lines(text) {
			run, stop := cli.Start(nil, io.Discard, io.Discard)
			line, _, _ = strings.Cut(strings.TrimSpace(line), "|")
			line, _, _ = strings.Cut(line, ">")
			cmd, args, err := (&app{Run: run}).root().Find(strings.Fields(line)[1:])
			if err == nil {
				err = cmd.ParseFlags(args)
			}
			if err == nil && cmd.Args != nil {
				err = cmd.Args(cmd, cmd.Flags().Args())
			}
			if err != nil || cmd.CommandPath() != name {
				t.Errorf("%q of %s: %v, %v", line, name, cmd.CommandPath(), err)
			}
			stop()
		}
	}
}

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
