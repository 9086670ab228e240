package dnsproviders_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"postseal/certs/dnsproviders"
)

// TestTable: codes are unique, and what is said of sets names fields that there
// are; the secrets that are known as such are taken for it.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	common := 0
	for _, p := range dnsproviders.All() {
		if seen[p.Code] || p.Code == "" || p.Name == "" {
			t.Errorf("%+v", p)
		}
		seen[p.Code] = true
		if p.Common() {
			common++
		}
		for _, set := range p.Sets {
			for _, name := range set {
				if _, ok := p.Field(name); !ok {
					t.Errorf("%s: a set names %s, which is no field: %+v", p.Code, name, p.Fields)
				}
			}
			if err := p.Complete(set); err != nil {
				t.Error(err)
			}
		}
		if p.Common() && p.Complete(nil) == nil {
			t.Errorf("%s: nothing is enough", p.Code)
		}
		for _, f := range p.Fields {
			for _, word := range []string{"TOKEN", "SECRET", "PASSWORD", "API_KEY", "PASS"} {
				if strings.HasSuffix(f.Name, word) && !f.Secret {
					t.Errorf("%s: %s is taken for harmless", p.Code, f.Name)
				}
			}
		}
	}
	if common < 25 {
		t.Errorf("only %d of the sets belong to a provider", common)
	}
	for _, code := range []string{"cloudflare", "hetzner", "desec", "ovh", "pdns", "httpreq"} {
		if !seen[code] {
			t.Errorf("%s is missing", code)
		}
	}
	if got := dnsproviders.Near("cloudfare"); !strings.Contains(got, "cloudflare") {
		t.Error(got)
	}
}

// TestGenerated: the table and the constructors are what the generator makes of
// the library that go.mod names.
func TestGenerated(t *testing.T) {
	dir := t.TempDir() // others compile the files that are there
	if out, err := exec.Command("go", "run", "./gen", "-tables", dir, "-constructors", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, here := range map[string]string{"table.json": "table.json", "light_gen.go": "../acme/legodns/light_gen.go"} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(here); err != nil || string(got) != string(want) {
			t.Errorf("%s is not what go generate makes: %v", here, err)
		}
	}
}
