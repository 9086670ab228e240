package session_test

import (
	"context"
	"fmt"
	"testing"

	"postseal/internal/lab"
	"postseal/internal/session"
)

// TestNextKeyIsNotDue: a next key that waits, published or not, is how things
// should be: there is nothing to do.
func TestNextKeyIsNotDue(t *testing.T) {
	leaf := lab.NewCA(t).Issue(t, lab.Leaf{})
	const path = "/etc/postseal/certs/mx.example.org/ecdsa.pem"
	for _, empty := range []bool{true, false} {
		s, err := session.Open(context.Background(), lab.Machine(t, "3.7.11", map[string]string{
			"main.cf": "myhostname = mx.example.org\nsmtpd_tls_chain_files = " + path + "\n", "master.cf": "smtp inet n - n - - smtpd\n", path: leaf.Key + leaf.Cert,
			"/var/lib/postseal/lineages/mx.example.org.json": fmt.Sprintf(`{"name": "mx.example.org", "names": ["mx.example.org"], "key_types": ["P256"],
				"issued": {"ecdsa": {"key_type": "P256", "next": {"digest": "00", "seen": "2026-01-01T00:00:00Z", "empty": %v}}}}`, empty),
		}), session.Settings{ConfigDir: "/etc/postfix"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c := s.Facts.ServerCertificates(); len(c) != 1 || c[0].Owner != "postseal" {
			t.Fatalf("%+v", c)
		}
		if due := s.Due(); len(due) > 0 {
			t.Errorf("empty %v: %q", empty, due)
		}
	}
}
