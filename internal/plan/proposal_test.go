package plan

import (
	"slices"
	"testing"
)

// TestGroups: a list of groups is split as Postfix splits it, and a group that is not known
// makes all of them unknown.
func TestGroups(t *testing.T) {
	want := groups("X25519 prime256v1")
	if len(want) != 2 {
		t.Fatal(want)
	}
	for _, list := range []string{"X25519, prime256v1", "X25519:prime256v1", "X25519,\tprime256v1 ", "?X25519 *prime256v1"} {
		if got := groups(list); !slices.Equal(got, want) {
			t.Errorf("%q: %v", list, got)
		}
	}
	for _, list := range []string{"X25519/prime256v1", "X25519 what"} {
		if got := groups(list); got != nil {
			t.Errorf("%q: %v", list, got)
		}
	}
}
