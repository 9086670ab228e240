package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"postseal/cmd/cli"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/lifecycle"
)

// TestFacts: what is known is printed with its date and sources; an administrator's list
// takes the place of ours, an old one is called so, and a broken one is an error that
// leaves ours.
func TestFacts(t *testing.T) {
	for name, c := range map[string]struct{ own, want, hint string }{
		"ours":    {"", "  Postfix 3.7: ended\n    https://www.postfix.org/announcements.html\n", ""},
		"its own": {`{"as_of": "2020-01-01", "branches": [{"product": "Postfix", "branch": "9.9", "supported": true, "ends": "2099-01-01", "newest": "9.9.1", "source": "me"}]}`, "Releases, as of 2020-01-01 (" + lifecycle.Path + "): older than a year\n  Postfix 9.9: supported, last day 2099-01-01, newest 9.9.1\n    me\n", ""},
		"broken":  {`{"as_of": "x"}`, "  Postfix 3.7: ended\n", "correct the file"},
	} {
		m := lab.Machine(t, "3.7.11", map[string]string{"main.cf": ""})
		if c.own != "" {
			lab.Write(t, m.Root, lifecycle.Path, c.own, 0o644)
		}
		var out bytes.Buffer
		a := &app{Run: &cli.Run{Ctx: context.Background(), Machine: &host.Recorder{Machine: m}, Out: &out, Err: &out}}
		err := a.facts()
		if !strings.Contains(out.String(), c.want) || (err == nil) != (c.hint == "") || !strings.Contains(hint.Of(err), c.hint) {
			t.Errorf("%s: %v, %s\n%s", name, err, hint.Of(err), out.String())
		}
		for _, all := range []string{"Let's Encrypt", "Senders, as of "} {
			if !strings.Contains(out.String(), all) {
				t.Errorf("%s: no %s", name, all)
			}
		}
		out.Reset()
		a.JSON = true
		_ = a.facts()
		if !json.Valid(out.Bytes()) {
			t.Errorf("%s: %s", name, out.String())
		}
	}
}
