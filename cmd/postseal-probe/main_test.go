package main

import (
	"bytes"
	"strings"
	"testing"

	"postseal/cmd/cli"
	"postseal/internal/report"
)

// TestNamed: it is the verb by another name, and says that name.
func TestNamed(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, cli.Usage, "postseal-probe mx.example.org"},
		{[]string{"--nosuch"}, cli.Usage, "postseal-probe --help shows the usage."},
		{[]string{"127.0.0.1:1"}, cli.Failed, "postseal-probe: enumerating 127.0.0.1:1"},
		{[]string{"--help"}, cli.Done, "postseal-probe [HOST[:PORT]]... [flags]"},
		{[]string{"--version"}, cli.Done, "postseal-probe version " + cli.Version},
		{[]string{"--schema"}, cli.Done, string(report.ProbeSchema)},
		{[]string{"127.0.0.1:1", "--json"}, cli.Failed, `"exit": 1`},
	} {
		var out, failed bytes.Buffer
		if code := Main(c.args, nil, &out, &failed); code != c.code || !strings.Contains(out.String()+failed.String(), c.want) {
			t.Errorf("%q: %d %s%s", c.args, code, out.String(), failed.String())
		}
	}
}
