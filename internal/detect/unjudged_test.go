package detect_test

import (
	"errors"
	"strings"
	"testing"

	"postseal/internal/host"
	"postseal/internal/lab"
)

// unjudging is a machine on which permissions cannot be checked.
type unjudging struct{ *host.Fake }

func (unjudging) Exposed(string) ([]host.Exposure, error) {
	return nil, errors.New("too many levels of symbolic links")
}

// TestUnjudged: a certificate whose permissions could not be checked is in doubt.
func TestUnjudged(t *testing.T) {
	ca := lab.NewCA(t)
	leaf := ca.Issue(t, lab.Leaf{})
	m := lab.Machine(t, "3.7.11", map[string]string{
		"main.cf": named, "master.cf": smtp, "/etc/ssl/certs/ca-certificates.crt": ca.RootPEM,
		"/etc/step/certs/mx.crt": leaf.Cert + ca.IntermediatePEM, "/etc/step/certs/mx.key": leaf.Key,
	})
	if c := look(t, m).Certificates; len(c) != 1 || len(c[0].Doubts()) != 0 {
		t.Errorf("%+v", c)
	}
	if c := look(t, unjudging{m}).Certificates; len(c) != 1 || !strings.Contains(strings.Join(c[0].Doubts(), ", "), "permissions could not be checked") {
		t.Errorf("%+v", c)
	}
}
