package lineage_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/lineage"
)

const record = `{"name":"mx.example.org","server":"https://ca.test/dir","names":["mx.example.org","*.example.org"],"key_types":["P256"],"challenge":{"kind":"http"}}`

// TestTornRecords: a record that no order has written is named with what to do,
// and the others are read all the same.
func TestTornRecords(t *testing.T) {
	for name, text := range map[string]string{
		"null": "null", "torn": record[:40], "empty": "", "no names": `{"name":"a"}`,
		"not a host name": strings.Replace(record, "*.example.org", "../x", 1),
		"name is a path":  strings.Replace(record, `"name":"mx.example.org"`, `"name":"../mx"`, 1),
		"of another":      strings.Replace(record, `"name":"mx.example.org"`, `"name":"other.example.org"`, 1),
		"relative path":   strings.Replace(record, `{"kind":"http"}`, `{"kind":"webroot","webroot":"www"}`, 1),
		"key type":        strings.Replace(record, "P256", "rot13", 1),
		"relative hook":   strings.Replace(record, `{"name"`, `{"also_reload":"bin/others","name"`, 1),
		"nothing issued":  strings.Replace(record, `{"name"`, `{"issued":{"ecdsa":null},"name"`, 1),
	} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "lineages"), 0o700); err != nil {
			t.Fatal(err)
		}
		bad := filepath.Join(dir, "lineages", "mx.example.org.json")
		for path, text := range map[string]string{bad: text, filepath.Join(dir, "lineages", "zz.example.org.json"): strings.Replace(record, `"name":"mx.`, `"name":"zz.`, 1)} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		all, err := lineage.Store{M: host.Local{}, StateDir: dir}.All()
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if one := hint.All(err)[0]; !strings.Contains(one.Error(), bad) || hint.Of(one) == "" {
			t.Errorf("%s: %v", name, err)
		}
		if len(all) != 1 || all[0].Name != "zz.example.org" {
			t.Errorf("%s: %d records", name, len(all))
		}
	}
}

// FuzzDecode: a record is refused, or stays what it is.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(record))
	f.Add([]byte("null"))
	f.Add([]byte(`{"issued":{"rsa":{"coming":{"settings":null}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := lineage.Decode(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lineage.Decode(again); err != nil {
			t.Errorf("%s: %v", again, err)
		}
		l.Answers()
	})
}
