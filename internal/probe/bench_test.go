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
	ec, rs := pair(b)
	server := lab.Postfix(b, "smtpd_tls_security_level = may\nsmtpd_peername_lookup = no\n", "%s inet n - n - - smtpd -o smtpd_tls_chain_files="+ec+","+rs)
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
