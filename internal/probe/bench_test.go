package probe_test

import (
	"context"
	"testing"

	"postseal/internal/lab"
	"postseal/internal/probe"
)

// BenchmarkEnumerate is one enumeration of a server that has just had another:
// 110 pairs of version and suite, the groups, both certificates.
func BenchmarkEnumerate(b *testing.B) {
	ca := lab.NewCA(b)
	dir := lab.Dir(b)
	ec, rs := ca.Issue(b, lab.Leaf{}), ca.Issue(b, lab.Leaf{RSA: true})
	files := lab.Write(b, dir, "ec.pem", ec.Key+ec.Cert, 0o600) + "," + lab.Write(b, dir, "rsa.pem", rs.Key+rs.Cert, 0o600)
	server := lab.Postfix(b, "smtpd_tls_security_level = may\nsmtpd_peername_lookup = no\n", "%s inet n - n - - smtpd -o smtpd_tls_chain_files="+files)
	handshakes := 0
	for b.Loop() {
		e, err := probe.Enumerate(context.Background(), probe.Target{Addr: server.Addrs[0]}, probe.Options{})
		if err != nil {
			b.Fatal(err)
		}
		handshakes = e.Handshakes
	}
	b.ReportMetric(float64(handshakes), "handshakes")
}
