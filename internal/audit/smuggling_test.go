package audit

import (
	"testing"

	"postseal/internal/postfix"
)

// TestSmuggles: the fault came with Postfix 3.9, and each branch has a release that mends it.
func TestSmuggles(t *testing.T) {
	for release, want := range map[string]bool{
		"3.7.11": false, "3.8.5": false, "3.9.0": true, "3.9.14": true, "3.9.15": false, "3.10.13": true, "3.10.14": false,
		"3.11.0": true, "3.11.6": true, "3.11.7": false, "3.12-20260902": false,
	} {
		v, err := postfix.ParseVersion(release)
		if err != nil {
			t.Fatal(err)
		}
		if smuggles(v) != want {
			t.Errorf("%s: %v", release, !want)
		}
	}
}
