package lineage_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"postseal/internal/host"
	"postseal/internal/interview"
	"postseal/internal/lab"
	"postseal/internal/lineage"
)

// TestSecretFiles: a secret that others can read is refused, before the CA is
// asked, and is not in the error.
func TestSecretFiles(t *testing.T) {
	dir := lab.Dir(t)
	const secret = "c2VjcmV0"
	path := lab.Write(t, dir, "secret", secret, 0o644)
	k := &lineage.Keeper{Store: lineage.Store{M: host.Local{}, StateDir: filepath.Join(dir, "state"), CertsDir: filepath.Join(dir, "certs")}}
	_, eab := k.Terms(interview.OrderDecisions{EABKID: "kid", EABHMACFile: path}, true)
	l := &lineage.Lineage{Name: "mx.test", Names: []string{"mx.test"}, Challenge: lineage.Challenge{Kind: interview.ProofUpdate, Update: &lineage.Update{Server: "127.0.0.1:53", Key: "k", SecretFile: path}}}
	tsig := k.Obtain(context.Background(), l, lineage.Terms{})
	for flag, err := range map[string]error{"--eab-hmac-file": eab, "--tsig-secret-file": tsig} {
		if err == nil || !strings.HasPrefix(err.Error(), flag) || !strings.Contains(err.Error(), "others can read") || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}
