package plan_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"postseal/internal/plan"
)

// TestSaved: a saved plan is the plan, byte for byte, whatever main.cf holds.
func TestSaved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string { return string(rapid.SliceOf(rapid.Byte()).Draw(t, name)) }
		p := plan.Plan{Format: plan.Format, Files: []plan.File{{Path: "/etc/postfix/main.cf", Kind: plan.MainCF, Before: text("before"), After: text("after"), Mode: 0o644}}}
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var q plan.Plan
		if err := json.Unmarshal(data, &q); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(p, q); d != "" {
			t.Fatal(d)
		}
	})
}
