package authority_test

import (
	"strings"
	"testing"
	"time"

	"postseal/certs/authority"
	"postseal/internal/hint"
)

// TestKnown: the list that is built in can be read; names, addresses and
// mistakes are told apart.
func TestKnown(t *testing.T) {
	all := authority.Known()
	for _, c := range []struct {
		name, want, says string
	}{
		{"letsencrypt", "https://acme-v02.api.letsencrypt.org/directory", ""},
		{"https://acme-staging-v02.api.letsencrypt.org/directory", "", "no client trusts"},
		{"https://acme-v02.api.letsencrypt.org/directory", "https://acme-v02.api.letsencrypt.org/directory", ""},
		{"https://ca.example.org/acme/directory", "https://ca.example.org/acme/directory", ""},
		{"http://ca.example.org/", "", "unknown CA"},
		{"letsencript", "", "unknown CA"},
		{"step-ca", "", "no well-known address"},
		{"", "", "unknown CA"},
		{"LetsEncrypt", "https://acme-v02.api.letsencrypt.org/directory", ""},
		{"buypass", "", "since 2025-10-31"},
	} {
		got, err := all.Find(c.name)
		if got.Directory != c.want || (err == nil) != (c.want != "") || err != nil && (!strings.Contains(err.Error(), c.says) || hint.Of(err) == "") {
			t.Errorf("%q: %q, %v", c.name, got.Directory, err)
		}
	}
	for typed, want := range map[string]string{"letsencript": "letsencrypt", "lets": "letsencrypt", "googel": "google", "zerosssl": "zerossl", "xy": "one of", "nonsense": "one of"} {
		if _, err := all.Find(typed); err == nil || !strings.Contains(hint.Of(err), want) || (want != "one of") != strings.Contains(hint.Of(err), "did you mean "+want+"?") {
			t.Errorf("%q: %q", typed, hint.Of(err))
		}
	}
	both := 0
	for _, x := range all.CAs {
		if x.Source == "" || x.Note == "" || x.Title == "" {
			t.Errorf("%s lacks its source", x.Name)
		}
		if x.Both(time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)) && x.Directory != "" {
			both++
		}
		if x.Directory != "" && x.Both(time.Date(2027, 3, 2, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%s has no end", x.Name)
		}
	}
	if both != 1 {
		t.Errorf("%d public CAs give both uses", both)
	}
	for name, text := range map[string]string{"no JSON": "x", "not a date": `{"cas":[]}`, "unknown word": `{"as_of":"2026-01-01","cas":[{"nam":"x"}]}`, "no day": `{"as_of":"2026-01-01","cas":[{"name":"x","uses":"server","gone":"soon"}]}`, "http": `{"as_of":"2026-01-01","cas":[{"name":"x","uses":"both","directory":"http://x"}]}`} {
		if _, err := authority.Read([]byte(text)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
