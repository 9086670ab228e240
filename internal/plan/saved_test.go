package plan_test

import (
	"encoding/json"
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
