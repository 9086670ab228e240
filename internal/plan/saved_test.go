package plan_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postseal/internal/plan"
)

// FuzzSaved: whatever a saved plan holds, reading it does not panic, and what was
// read is what is saved and read again.
func FuzzSaved(f *testing.F) {
	for _, s := range []string{
		"", "null", "[]", "{}", `{"format": 1}`, `{"files": null}`, `{"files": [null, {}]}`,
		`{"format": 1, "config_dir": "/etc/postfix", "files": [{"path": "/etc/postfix/main.cf", "kind": "main.cf", "before": "a = b\n", "after": "a = c\n", "mode": 420}], "risks": [], "checks": [], "answers": {}, "block": []}`,
		`{"files": [{"path": "main.cf", "before": "x", "before_base64": "/w==", "after_base64": ""}]}`,
		`{"files": [{"path": "/etc/postseal/a.pem", "kind": "chain", "new": true, "mode": 384, "assemble": {"from": ["/a", "../b"], "pem": null, "contents": [""]}}]}`,
		`{"files": [{"assemble": null, "mode": 4294967295}], "inputs": {"/etc/postfix/main.cf": ""}}`,
		`{"files": [{"path": "\ud800", "before": "\udfff", "after_base64": "!"}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var p plan.Plan
		if json.Unmarshal(data, &p) != nil {
			return
		}
		saved, err := json.Marshal(p)
		if err != nil {
			t.Fatalf("what was read cannot be saved: %v", err)
		}
		var q plan.Plan
		if err := json.Unmarshal(saved, &q); err != nil {
			t.Fatalf("what was saved cannot be read: %v", err)
		}
		again, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(saved), string(again)); d != "" {
			t.Error(d)
		}
	})
}

// TestMatch: a saved plan is carried out as what its answers make now: a file more, a
// path or a byte that somebody has put into it is refused, and its risks do not count.
func TestMatch(t *testing.T) {
	build := func() *plan.Plan {
		return &plan.Plan{
			Format: plan.Format, ConfigDir: "/etc/postfix", Inputs: map[string]string{"/etc/postfix/main.cf": "aa", "/k": ""},
			Files: []plan.File{
				{Path: "/etc/postfix/main.cf", Kind: plan.MainCF, Before: "a\n", After: "b\n", Mode: 0o644},
				{Path: "/etc/postseal/certs/x/rsa.pem", Kind: plan.ChainPEM, Assemble: &plan.Assembly{From: []string{"/k"}, Unproved: true}, Mode: 0o600},
				{Path: "/etc/postseal/postseal.toml", Kind: plan.Answers, After: "x", New: true, Mode: 0o644},
			},
			Risks: []plan.Risk{{Name: plan.RiskDropTLS10}},
		}
	}
	for name, c := range map[string]struct {
		forge func(*plan.Plan)
		want  string // of the error; empty: it is carried out
	}{
		"as it was saved":     {func(*plan.Plan) {}, ""},
		"without its risks":   {func(p *plan.Plan) { p.Risks = nil }, ""},
		"without the answers": {func(p *plan.Plan) { p.Files = p.Files[:2] }, ""},
		"another cron job": {func(p *plan.Plan) {
			p.Files = append(p.Files, plan.File{Path: "/etc/cron.d/x", Kind: plan.Answers, After: "x", New: true})
		}, "it writes 4 files"},
		"another path":    {func(p *plan.Plan) { p.Files[2].Path = "/etc/sudoers.d/x.toml" }, "sudoers"},
		"another byte":    {func(p *plan.Plan) { p.Files[0].After = "relayhost = x\n" }, "main.cf"},
		"another source":  {func(p *plan.Plan) { p.Files[1].Assemble.From = []string{"/etc/shadow"} }, "rsa.pem"},
		"another mode":    {func(p *plan.Plan) { p.Files[1].Mode = 0o644 }, "rsa.pem"},
		"of an old state": {func(p *plan.Plan) { p.Inputs["/etc/postfix/main.cf"] = "bb" }, "main.cf changed since the plan was made"},
	} {
		saved, now := build(), build()
		c.forge(saved)
		err := plan.Match(saved, now)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && len(now.Unaccepted(nil)) != 1 {
			t.Errorf("%s: the risk is gone", name)
		}
	}
	if got := build().Unread(); len(got) != 2 || got[0] != "/k" {
		t.Errorf("%q", got)
	}
}

// TestCheckPath: a record can name nothing but what a run writes.
func TestCheckPath(t *testing.T) {
	for path, kind := range map[string]plan.Kind{
		"/etc/postfix/main.cf": plan.MainCF, "/etc/postfix/master.cf": plan.MasterCF, "/etc/postseal/certs/x/ecdsa.pem": plan.ChainPEM,
		"/etc/postseal/certs/x/ecdsa.pem.edited-0001": plan.ChainPEM, "/etc/postseal/openssl-smtpd-x.cnf": plan.OpenSSL,
		"/etc/postseal/postseal.toml": plan.Answers, "/etc/postfix/main.cf.edited-0001": plan.Aside,
	} {
		if err := kind.CheckPath("/etc/postfix", path); err != nil {
			t.Error(err)
		}
	}
	for path, kind := range map[string]plan.Kind{
		"/etc/other/main.cf": plan.MainCF, "/etc/postfix/../x/main.cf": plan.MainCF, "/etc/sudoers.d/x": plan.ChainPEM, "/etc/cron.d/x": plan.Answers,
		"etc/postseal/postseal.toml": plan.Answers, "/etc/shadow": plan.Aside, "": plan.MainCF, "/a\x00.pem": plan.ChainPEM, "/etc/passwd": "other",
	} {
		if err := kind.CheckPath("/etc/postfix", path); err == nil {
			t.Errorf("%s is taken for %s", path, kind)
		}
	}
}
