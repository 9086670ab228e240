package probe_test

import (
	"testing"

	"postseal/internal/lab"
)

// pair are the files of key and chain of two leaves, as smtpd_tls_chain_files
// takes them.
func pair(t testing.TB) (ec, rsa string) {
	t.Helper()
	ca, dir := lab.NewCA(t), lab.Dir(t)
	write := func(name string, l lab.Leaf) string {
		i := ca.Issue(t, l)
		return lab.Write(t, dir, name, i.Key+i.Cert+ca.IntermediatePEM, 0o600)
	}
	return write("ec.pem", lab.Leaf{}), write("rsa.pem", lab.Leaf{RSA: true})
}
