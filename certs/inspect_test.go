package certs_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"postseal/certs"
	"postseal/internal/lab"
)

// TestInspect: each fault of a chain is found, with its level; and a good
// chain has none.
func TestInspect(t *testing.T) {
	ca := lab.NewCA(t)
	root := read(t, ca.RootPEM).Certs
	now := time.Now()
	stapled := pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}, Value: []byte{0x30, 3, 2, 1, 5}}
	tlsa := func(usage uint8, i lab.Issued) certs.TLSA { r := certs.NewTLSA(i.Leaf); r.Usage = usage; return r }
	good := ca.Issue(t, lab.Leaf{})
	want := certs.Want{Names: []string{"mx.example.org"}, Roots: root, Now: now}
	with := func(f func(*certs.Want)) certs.Want { w := want; f(&w); return w }
	for _, c := range []struct {
		name string
		leaf lab.Leaf
		text string // instead of key, leaf and intermediate
		want certs.Want
		// topic is what must be found at the level, with text in it.
		topic string
		level certs.Level
		says  string
	}{
		{name: "names", want: want, topic: "names", level: certs.Good},
		{name: "another name", want: with(func(w *certs.Want) { w.Names = []string{"mx.example.org", "mail.example.net"} }), topic: "names", level: certs.Bad, says: "mail.example.net"},
		{name: "wildcard", leaf: lab.Leaf{Names: []string{"*.example.org"}}, want: want, topic: "names", level: certs.Good},
		{name: "wildcard is one label", leaf: lab.Leaf{Names: []string{"*.org"}}, want: want, topic: "names", level: certs.Bad},
		{name: "fresh", want: want, topic: "life", level: certs.Good, says: "of 120 days left"},
		{name: "due", leaf: lab.Leaf{NotAfter: now.AddDate(0, 0, 10)}, want: want, topic: "life", level: certs.Note, says: "renewal is due"},
		{name: "short life, not due", leaf: lab.Leaf{NotBefore: now.AddDate(0, 0, -2), NotAfter: now.AddDate(0, 0, 4)}, want: want, topic: "life", level: certs.Good},
		{name: "expired", leaf: lab.Leaf{NotAfter: now.AddDate(0, 0, -1)}, want: want, topic: "life", level: certs.Bad, says: "expired on"},
		{name: "expired, but trusted", leaf: lab.Leaf{NotAfter: now.AddDate(0, 0, -1)}, want: want, topic: "trust", level: certs.Good},
		{name: "not yet valid", leaf: lab.Leaf{NotBefore: now.AddDate(0, 0, 1)}, want: want, topic: "life", level: certs.Bad, says: "not valid before"},
		{name: "chain", want: want, topic: "chain", level: certs.Good, says: "2 certificates"},
		{name: "intermediate missing", text: good.Key + good.Cert, want: want, topic: "chain", level: certs.Bad, says: "postseal test intermediate"},
		{name: "out of order", text: good.Key + ca.IntermediatePEM + good.Cert, want: want, topic: "order", level: certs.Note},
		{name: "trusted", want: want, topic: "trust", level: certs.Good, says: "distributions"},
		{name: "own CA", want: with(func(w *certs.Want) { w.Roots, w.Private = nil, root }), topic: "trust", level: certs.Good, says: "your private CA"},
		{name: "unknown CA", want: with(func(w *certs.Want) { w.Roots = read(t, lab.NewCA(t).RootPEM).Certs }), topic: "chain", level: certs.Bad},
		{name: "unknown CA, root sent", text: good.Key + good.Cert + ca.IntermediatePEM + ca.RootPEM, want: with(func(w *certs.Want) { w.Roots = read(t, lab.NewCA(t).RootPEM).Certs }), topic: "trust", level: certs.Note},
		{name: "self-signed", leaf: lab.Leaf{SelfSigned: true}, want: want, topic: "trust", level: certs.Note, says: "self-signed"},
		{name: "server use", want: want, topic: "server use", level: certs.Good},
		{name: "no client use", want: want, topic: "client use", level: certs.Note, says: "421 4.7.1"},
		{name: "both uses, server", leaf: lab.Leaf{Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}, want: want, topic: "server use", level: certs.Good},
		{name: "both uses, client", leaf: lab.Leaf{Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}, want: want, topic: "client use", level: certs.Good},
		{name: "client only", leaf: lab.Leaf{Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, want: want, topic: "server use", level: certs.Bad},
		{name: "no usages", leaf: lab.Leaf{NoUsages: true}, want: want, topic: "client use", level: certs.Good},
		{name: "strength", want: want, topic: "strength", level: certs.Good, says: "ECDSA 256"},
		{name: "short RSA", leaf: lab.Leaf{RSABits: 1024}, want: want, topic: "strength", level: certs.Bad, says: "1024"},
		{name: "must-staple", leaf: lab.Leaf{Extension: stapled}, want: want, topic: "must-staple", level: certs.Bad},
		{name: "TLSA of the key", text: good.Key + good.Cert + ca.IntermediatePEM, want: with(func(w *certs.Want) {
			w.TLSA = map[string][]certs.TLSA{"mx.example.org": {tlsa(3, ca.Issue(t, lab.Leaf{})), tlsa(3, good)}}
		}), topic: "TLSA", level: certs.Good},
		{name: "TLSA of another key", want: with(func(w *certs.Want) { w.TLSA = map[string][]certs.TLSA{"mx.example.org": {tlsa(3, good)}} }), topic: "TLSA", level: certs.Bad, says: "3 1 1 "},
		{name: "TLSA of no use", text: good.Key + good.Cert, want: with(func(w *certs.Want) { w.TLSA = map[string][]certs.TLSA{"mx.example.org": {tlsa(1, good)}} }), topic: "TLSA", level: certs.Note},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := c.text
			if text == "" {
				leaf := ca.Issue(t, c.leaf)
				text = leaf.Key + leaf.Cert
				if !c.leaf.SelfSigned {
					text += ca.IntermediatePEM
				}
			}
			chains, err := read(t, text).Chains(nil)
			if err != nil {
				t.Fatal(err)
			}
			i := chains[0].Inspect(c.want)
			found := false
			for _, f := range i.Findings {
				found = found || f.Topic == c.topic && f.Level == c.level && strings.Contains(f.Text, c.says)
			}
			if !found {
				t.Errorf("no %s %q with %q in %+v", c.level, c.topic, c.says, i.Findings)
			}
			if len(i.Links) != len(chains[0].Certs) {
				t.Errorf("%d links", len(i.Links))
			}
		})
	}
}

// TestSHA1: a chain signed with SHA-1 somewhere below the root is refused by
// whoever checks, and we say so.
func TestSHA1(t *testing.T) {
	chains, err := read(t, sha1Leaf).Chains(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range chains[0].Inspect(certs.Want{}).Findings {
		if f.Topic == "signature" && f.Level == certs.Bad && strings.Contains(f.Text, "SHA1") {
			return
		}
	}
	t.Error("SHA-1 was not noticed")
}

func TestTLSA(t *testing.T) {
	ca := lab.NewCA(t)
	leaf := ca.Issue(t, lab.Leaf{})
	chain := read(t, leaf.Cert+ca.IntermediatePEM).Certs
	for _, c := range []struct {
		usage, selector, matching uint8
		of                        int
		want                      bool
	}{
		{3, 1, 1, 0, true}, {3, 0, 2, 0, true}, {3, 1, 0, 0, true}, {2, 1, 1, 1, true}, {2, 0, 2, 1, true},
		{3, 1, 1, 1, false}, {2, 1, 1, 0, false}, {2, 0, 0, 0, false}, {1, 1, 1, 0, false}, {3, 2, 1, 0, false},
	} {
		text := tlsaText(chain[c.of], c.usage, c.selector, c.matching)
		r, err := certs.ParseTLSA(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Matches(chain); got != c.want {
			t.Errorf("%s: %v", text, got)
		}
		if r.String() != text {
			t.Errorf("%s became %s", text, r)
		}
	}
	for _, bad := range []string{"", "3 1 1", "3 1 x ab", "3 1 1 zz", "300 1 1 ab"} {
		if _, err := certs.ParseTLSA(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// sha1Leaf was made once with openssl x509 -req -sha1: Go signs nothing with it any more.
const sha1Leaf = `-----BEGIN CERTIFICATE-----
MIIB6TCB0gIUbeInGPEkGj5NmQHxkG9EbccN/IcwDQYJKoZIhvcNAQEFBQAwEzER
MA8GA1UEAwwIb2xkLXJvb3QwIBcNMjYxMTIzMTY0MDMzWhgPMjEyNjEwMzAxNjQw
MzNaMBkxFzAVBgNVBAMMDm14LmV4YW1wbGUub3JnMFkwEwYHKoZIzj0CAQYIKoZI
zj0DAQcDQgAE0xLERNkmOaxDnLj1V2ABu7eWk8hbm75k1vEEiKb0N1yULtfsUV5a
QIXkumHtnzx1qHm3LmDykx/G4QdQbRqGYDANBgkqhkiG9w0BAQUFAAOCAQEAPgic
5SJZT+KwhZRBTQC3pU22Gx+Ne7QhONWNnXtwZmGBxIYAE/B0QmaRD/0/DcEjImwU
o1aIZnONrF3Od2Wz/8fb+2LiUC0nT+17RohGH0MhcEQq3dumaYO0MziGEOmDY2f9
b/h19Fii9lFTqeMzjiXC+QB/tA152VPkLGZvRevmzdqcyZHYeWcmqYQd1NnN2Ovr
RrZdpwf68NTJqScFare7Dznk0gE+5h1oM+EBz64WWHXtZZTV5K2ltOv6AgZxFq1A
2VdrQixH4E78Oo0ui69lYlR4j5mcmJJhrvIF5yhDyPPuhtXVqgX8wnwr8/Ft/cU/
FX0KmbQzNGGtZh947g==
-----END CERTIFICATE-----
`

// tlsaText makes a record in presentation form with another library.
func tlsaText(c *x509.Certificate, usage, selector, matching uint8) string {
	data, err := dns.CertificateToDANE(selector, matching, c)
	if err != nil {
		data = "00"
	}
	return fmt.Sprintf("%d %d %d %s", usage, selector, matching, data)
}
