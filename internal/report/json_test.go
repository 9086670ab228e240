package report_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postseal/certs"
	"postseal/internal/apply"
	"postseal/internal/audit"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/lab"
	"postseal/internal/plan"
	"postseal/internal/postfix"
	"postseal/internal/postfix/maincf"
	"postseal/internal/postfix/mastercf"
	"postseal/internal/report"
)

// asJSON is what is printed for other programs.
func asJSON(t *testing.T, v any) string {
	t.Helper()
	return text(t, report.Printer{}, func(p report.Printer) error { return p.JSON(v) })
}

func planJSON(t *testing.T, p *plan.Plan) string {
	t.Helper()
	v, err := report.PlanJSON(p)
	if err != nil {
		t.Fatal(err)
	}
	return asJSON(t, v)
}

// TestPlanKeys: other programs rely on these names, to the letter. Decoding
// into a struct would let other spellings pass.
func TestPlanKeys(t *testing.T) {
	_, p := open(t, lab.Leaf{}, nil)
	var data map[string]any
	if err := json.Unmarshal([]byte(planJSON(t, p)), &data); err != nil {
		t.Fatal(err)
	}
	if data["pending"] != true {
		t.Errorf("pending is %v", data["pending"])
	}
	for name, keys := range map[string][]string{
		"files": {"path", "diff"}, "changes": {"parameter", "before", "after", "why", "source"}, "risks": {"name", "text"},
	} {
		list, _ := data[name].([]any)
		if len(list) == 0 {
			t.Errorf("%s is %v", name, data[name])
		}
		for _, x := range list {
			item, _ := x.(map[string]any)
			for _, key := range keys {
				if _, ok := item[key].(string); !ok {
					t.Errorf("%s: %q is no text in %v", name, key, item)
				}
			}
		}
	}
}

// TestPlanPatch: the diff in the JSON is what patch(1) reads, for every kind
// of text that a configuration can be.
func TestPlanPatch(t *testing.T) {
	lab.Need(t, "patch")
	for name, main := range map[string]string{
		"plain":            ageing,
		"CRLF":             strings.ReplaceAll(ageing, "\n", "\r\n"),
		"no final newline": strings.TrimSuffix(ageing, "\n"),
		"UTF-8":            strings.ReplaceAll(ageing, "ours", "für uns \u202e\u009b\U000e0041"),
		"Latin-1":          strings.ReplaceAll(ageing, "ours", "f\xfcr uns"),
	} {
		t.Run(name, func(t *testing.T) {
			_, p := open(t, lab.Leaf{}, map[string]string{"main.cf": main})
			var data struct {
				Files []struct {
					Diff  string `json:"diff"`
					Bytes string `json:"diff_base64"`
				} `json:"files"`
			}
			if err := json.Unmarshal([]byte(planJSON(t, p)), &data); err != nil {
				t.Fatal(err)
			}
			patched := 0
			for i, f := range p.Files {
				if f.Kind == plan.ChainPEM {
					if data.Files[i].Diff != "" || data.Files[i].Bytes != "" {
						t.Errorf("a diff of a file with a key: %+v", data.Files[i])
					}
					continue
				}
				unified := data.Files[i].Diff
				if b, err := base64.StdEncoding.DecodeString(data.Files[i].Bytes); err != nil {
					t.Fatal(err)
				} else if len(b) > 0 {
					unified = string(b)
				}
				path := lab.Write(t, t.TempDir(), "file", f.Before, 0o600)
				cmd := exec.Command("patch", "--binary", "--fuzz=0", "-s", path)
				cmd.Stdin = strings.NewReader(unified)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%s: %v: %s", f.Path, err, out)
				}
				got, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(f.After, string(got)); d != "" {
					t.Errorf("%s (-planned +patched)\n%s", f.Path, d)
				}
				patched++
			}
			if patched < 3 {
				t.Errorf("only %d files were patched", patched)
			}
		})
	}
}

// TestNoNull: an empty list is [], so that nobody stumbles over null.
func TestNoNull(t *testing.T) {
	s, p := open(t, lab.Leaf{}, nil)
	bare := &detect.Facts{
		Config:       postfix.Config{Main: maincf.Parse(""), Master: mastercf.Parse("")},
		Listeners:    []detect.Listener{{}},
		Transports:   []detect.Transport{{}},
		Certificates: []detect.Certificate{{}},
		Problems:     []detect.Problem{{}},
	}
	for name, out := range map[string]string{
		"facts":         asJSON(t, report.FactsJSON(s.Facts)),
		"card":          asJSON(t, report.AuditJSON(&audit.Evidence{Facts: s.Facts}, audit.Audit(&audit.Evidence{Facts: s.Facts}))),
		"bare facts":    asJSON(t, report.FactsJSON(bare)),
		"plan":          planJSON(t, p),
		"empty plan":    planJSON(t, &plan.Plan{}),
		"empty parts":   planJSON(t, &plan.Plan{Files: []plan.File{{Assemble: &plan.Assembly{}}}, Checks: []plan.Check{{}}, Answers: map[string][]string{"cert": nil}}),
		"errors":        asJSON(t, report.ErrorsJSON(errors.New("x"), 1)),
		"no error":      asJSON(t, report.ErrorsJSON(nil, 0)),
		"judged":        asJSON(t, report.Judged{Inspection: &certs.Inspection{}}),
		"unjudged":      asJSON(t, report.Judged{Err: "x"}),
		"bare receipts": asJSON(t, []*apply.Receipt{{Entries: []apply.Entry{{}}, Proofs: []apply.Proof{{}}, Checks: []plan.Check{{}}}}),
	} {
		if strings.Contains(out, "null") {
			t.Errorf("%s: %s", name, out)
		}
	}
}

// TestNoKey: no report, as text or as JSON, holds a private key: neither from
// a file of its own nor from one that holds certificates too.
func TestNoKey(t *testing.T) {
	for _, chain := range []string{"/c/mx.pem", "/c/both.pem"} {
		s, p := open(t, lab.Leaf{}, map[string]string{"main.cf": strings.ReplaceAll(ageing, "/c/mx.pem", chain)})
		o := s.ApplyOptions()
		o.FilesOnly, o.Accept = true, plan.RiskNames
		r, err := apply.Run(t.Context(), s.Machine, p, o)
		if err != nil {
			t.Fatal(err)
		}
		found, err := s.Facts.Judge(s.Machine, chain, certs.Want{})
		if err != nil {
			t.Fatal(err)
		}
		judged := report.Judged{Where: chain, Inspection: &found[0]}
		key, err := s.Machine.ReadFile("/c/mx.key")
		if err != nil {
			t.Fatal(err)
		}
		secrets := append(bodies(string(key)), "PRIVATE KEY")
		for name, out := range map[string]string{
			"facts":            text(t, report.Printer{}, func(p report.Printer) error { p.Facts(s.Facts); return nil }),
			"plan":             text(t, report.Printer{}, func(pr report.Printer) error { return pr.Plan(p, "postseal undo", false) }),
			"receipt":          text(t, report.Printer{}, func(p report.Printer) error { p.Receipt(r, "postseal undo"); return nil }),
			"history":          text(t, report.Printer{}, func(p report.Printer) error { p.History([]*apply.Receipt{r}); return nil }),
			"certificate":      text(t, report.Printer{}, func(p report.Printer) error { p.Certificate(judged, false); return nil }),
			"facts JSON":       asJSON(t, report.FactsJSON(s.Facts)),
			"plan JSON":        planJSON(t, p),
			"receipt JSON":     asJSON(t, r),
			"certificate JSON": asJSON(t, judged),
		} {
			for _, secret := range secrets {
				if out == "" || strings.Contains(out, secret) {
					t.Errorf("%s, with %s: a private key is in it:\n%s", name, chain, out)
					break
				}
			}
		}
	}
}

// bodies are the lines of base64 of a PEM file.
func bodies(pem string) []string {
	return slices.DeleteFunc(strings.Fields(pem), func(s string) bool { return len(s) < 16 || strings.HasPrefix(s, "-----") })
}

// TestErrorsJSON: an error that comes with what to type says so as data too.
func TestErrorsJSON(t *testing.T) {
	err := errors.Join(hint.New("one", "type this"), fmt.Errorf("two: %w", hint.New("three", "type that")), errors.New("four"))
	want := `{
  "exit": 2,
  "errors": [
    {
      "error": "one",
      "hint": "type this"
    },
    {
      "error": "two: three",
      "hint": "type that"
    },
    {
      "error": "four"
    }
  ]
}
`
	if d := cmp.Diff(want, asJSON(t, report.ErrorsJSON(err, 2))); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// TestJudgedKeys: the list of certificates keeps its keys side by side.
func TestJudgedKeys(t *testing.T) {
	var data map[string]any
	if err := json.Unmarshal([]byte(asJSON(t, report.Judged{Where: "a<b", Inspection: &certs.Inspection{}})), &data); err != nil {
		t.Fatal(err)
	}
	keys := slices.Sorted(maps.Keys(data))
	for _, key := range []string{"where", "names", "not_after", "fingerprint", "chain", "findings", "trusted_by"} {
		if !slices.Contains(keys, key) {
			t.Errorf("%q is missing among %q", key, keys)
		}
	}
}
