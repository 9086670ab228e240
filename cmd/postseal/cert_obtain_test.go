package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOwnProvider: our own ways to make a record can be named like a provider,
// and a contradiction is refused.
func TestOwnProvider(t *testing.T) {
	type flags = map[string][]string
	for name, c := range map[string]struct {
		given, want flags
	}{
		"another provider":   {flags{"dns-provider": {"pdns"}}, flags{"dns-provider": {"pdns"}}},
		"nothing":            {flags{}, flags{}},
		"rfc2136":            {flags{"dns-provider": {"rfc2136"}, "dns-server": {"ns:53"}}, flags{"challenge": {"dns-rfc2136"}, "dns-server": {"ns:53"}}},
		"exec, with dns":     {flags{"dns-provider": {"exec"}, "challenge": {"dns"}}, flags{"challenge": {"dns-exec"}}},
		"manual, said twice": {flags{"dns-provider": {"manual"}, "challenge": {"dns-manual"}}, flags{"challenge": {"dns-manual"}}},
		"contradiction":      {flags{"dns-provider": {"exec"}, "challenge": {"http-01"}}, nil},
	} {
		got, err := ownProvider(c.given)
		if diff := cmp.Diff(c.want, got); diff != "" || (err != nil) != (c.want == nil) {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}
