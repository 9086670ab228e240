package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"postseal/cmd/cli"
	"postseal/internal/hint"
	"postseal/internal/host"
)

// TestAbsolute: what is started from another folder, such as the process that
// takes a run back, means the same state.
func TestAbsolute(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	a := &app{Run: &cli.Run{Out: io.Discard, Err: io.Discard, Ctx: context.Background(), Machine: &host.Recorder{Machine: host.Local{}}}}
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
		if code := Main(args, nil, full, &said); code != cli.Failed || !strings.Contains(said.String(), "no space left") {
			t.Errorf("%q: %d %s", args, code, said.String())
		}
		if code := Main(args, nil, io.Discard, &said); code != cli.Done {
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
		if code := Main(args, nil, w, &said); code != cli.Interrupted || said.Len() > 0 {
			t.Errorf("%q: %d %s", args, code, said.String())
		}
	}
}

// TestHelpful: who mistyped is told what to type.
func TestHelpful(t *testing.T) {
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"cert", "hook"}, []string{"a hook is for one client", "certbot, dehydrated"}},
		{[]string{"pln"}, []string{"did you mean postseal plan?"}},
		{[]string{"aply"}, []string{"unknown command", "did you mean postseal apply?"}},
		{[]string{"cert", "lst"}, []string{"unknown command", "did you mean postseal cert list?"}},
		{[]string{"cert"}, []string{"needs a command", "use one of client, hook"}},
		{[]string{"plan", "--profil", "modern"}, []string{"unknown flag", "did you mean --profile?"}},
		{[]string{"cert", "inspect"}, []string{"postseal cert inspect takes PATH|HOST:PORT"}},
		{[]string{"plan", "now"}, []string{"postseal plan takes no argument"}},
		{[]string{"apply", "--confirm-within", "20"}, []string{"write 20s or 10m"}},
		{[]string{"sink", "--as", "anonymous-only", "--write-ca", "ca.pem"}, []string{"without a certificate has no CA"}},
	} {
		var said strings.Builder
		if code := Main(c.args, nil, io.Discard, &said); code != cli.Usage {
			t.Errorf("%q: %d", c.args, code)
		}
		for _, want := range c.want {
			if !strings.Contains(said.String(), want) {
				t.Errorf("%q does not say %q: %s", c.args, want, said.String())
			}
		}
	}
}

// TestCompletion: Tab offers what can be typed, files where a path is wanted, and never
// an example.
func TestCompletion(t *testing.T) {
	const noFiles, files = ":4", ":0"
	for _, c := range []struct {
		args []string
		want string // one of the lines, or none
		end  string
	}{
		{[]string{"apply", "--cert", ""}, "", files},
		{[]string{"apply", "--ca-file", ""}, "", files},
		{[]string{"apply", "--role", ""}, "router", noFiles},
		{[]string{"audit", "--fail-on", ""}, "medium", noFiles},
		{[]string{"cert", "providers", ""}, "cloudflare", noFiles},
		{[]string{"cert", "obtain", "--dns-provider", ""}, "cloudflare", noFiles},
		{[]string{"cert", "obtain", "--webroot", ""}, "", files},
		{[]string{"undo", "--run", ""}, "", ":36"},
		{[]string{"plan", ""}, "", noFiles},
		{[]string{"history", "--state-dir", ""}, "", ":16"},
	} {
		var out strings.Builder
		args := append([]string{"__complete", "--state-dir", t.TempDir()}, c.args...)
		if code := Main(args, nil, &out, io.Discard); code != cli.Done {
			t.Errorf("%q: %d", c.args, code)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		end, found := lines[len(lines)-1], c.want == ""
		for _, l := range lines[:len(lines)-1] {
			word, _, _ := strings.Cut(l, "\t")
			found = found || word == c.want
			if strings.HasPrefix(l, "/path") || strings.Contains(l, " short name") {
				t.Errorf("%q offers an example: %s", c.args, l)
			}
		}
		if !found || end != c.end {
			t.Errorf("%q: %q", c.args, out.String())
		}
	}
}

// TestInterrupted: nobody is told of contexts.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var said strings.Builder
	a := &app{Run: &cli.Run{Out: io.Discard, Err: &said, Ctx: ctx}}
	if code := a.Finish(ctx.Err()); code != cli.Interrupted || said.String() != "postseal: interrupted\n" {
		t.Errorf("%d %q", code, said.String())
	}
}

// TestASCII: in a locale without UTF-8 there are no signs beyond ASCII, on a pipe too;
// JSON is as ever.
func TestASCII(t *testing.T) {
	t.Setenv("LC_ALL", "C")
	var out, said strings.Builder
	if Main([]string{"questions", "cert"}, nil, &out, &said); strings.ContainsAny(out.String(), "✓✗·…→") {
		t.Error(out.String())
	}
	for json, want := range map[string]string{"": "v", "--json": "✓"} {
		out.Reset()
		root := &cobra.Command{Use: "test", RunE: func(c *cobra.Command, _ []string) error { c.Println("✓"); return nil }}
		r, stop := cli.Start(nil, &out, &out)
		r.Flags(root.PersistentFlags())
		r.Execute(root, strings.Fields(json))
		stop()
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q: %q", json, out.String())
		}
	}
}

// TestNobodyToAsk: without a terminal it is said what would have been asked.
func TestNobodyToAsk(t *testing.T) {
	a := &app{Run: &cli.Run{Out: io.Discard}}
	if err := a.agree("Undo this?", "--yes"); err == nil || !strings.Contains(err.Error(), "no terminal to ask on: Undo this?") || hint.Of(err) != "pass --yes to confirm" {
		t.Errorf("%v, %s", err, hint.Of(err))
	}
}

// TestPolicyMatrix: a policy cannot be sent at every level, and begins with one.
func TestPolicyMatrix(t *testing.T) {
	var said strings.Builder
	if code := Main([]string{"rehearse", "--destination", "example.com", "--policy", "bogus"}, nil, io.Discard, &said); code != cli.Usage || !strings.Contains(said.String(), `"bogus" is no TLS level`) {
		t.Errorf("%d %s", code, said.String())
	}
	if code := Main([]string{"rehearse", "--matrix", "--destination", "example.com", "--policy", "secure"}, nil, io.Discard, &said); code != cli.Usage || !strings.Contains(said.String(), "either --policy or --matrix") {
		t.Errorf("%d %s", code, said.String())
	}
}

// TestVersion: --version says it too, as of other programs.
func TestVersion(t *testing.T) {
	var out, said strings.Builder
	if code := Main([]string{"--version"}, nil, &out, &said); code != cli.Done || out.String() != "postseal version "+cli.Version+"\n" {
		t.Errorf("%d %q %s", code, out.String(), said.String())
	}
}

// TestDemoStays: a demo that is kept says what it leaves, and how that ends.
func TestDemoStays(t *testing.T) {
	for files, want := range map[bool]string{
		true:  "The demo is kept in /tmp/d. To remove it: rm -r /tmp/d",
		false: "The demo is kept in /tmp/d, its Postfix for 2 hours. To remove it: postfix -c /tmp/d/conf stop; rm -r /tmp/d",
	} {
		want += "\nTo work on it: postseal --config-dir /tmp/d/conf --state-dir /tmp/d/state --certs-dir /tmp/d/etc/certs"
		if got := strings.TrimSpace((&demo{dir: "/tmp/d", filesOnly: files}).stays()); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

// TestMistyped: a verb or flag that is nearly right is answered with the right one, and
// --json counts wherever it stands.
func TestMistyped(t *testing.T) {
	for _, x := range []struct{ args, want string }{
		{"audti", "did you mean postseal audit?"},
		{"cert lst", "did you mean postseal cert list?"},
		{"cert", "use one of client, hook, inspect, list"},
		{"plan --profil modern", "did you mean --profile?"},
		{"frobnicate", `unknown command "frobnicate"`},
	} {
		var out, said strings.Builder
		if code := Main(strings.Fields(x.args), nil, &out, &said); code != cli.Usage || !strings.Contains(said.String(), x.want) || out.Len() > 0 {
			t.Errorf("%s: %d %s%s", x.args, code, out.String(), said.String())
		}
		out.Reset()
		if code := Main(append(strings.Fields(x.args), "--json"), nil, &out, io.Discard); code != cli.Usage || !json.Valid([]byte(out.String())) {
			t.Errorf("%s --json: %d %s", x.args, code, out.String())
		}
	}
}
