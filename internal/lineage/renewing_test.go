package lineage

import "testing"

// TestRenewing: the command is one that a shell reads as it is meant.
func TestRenewing(t *testing.T) {
	if got, want := renewing(&Lineage{Name: "a b;touch x"}, "--force"), "postseal cert renew --force 'a b;touch x'"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
