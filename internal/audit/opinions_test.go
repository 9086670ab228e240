package audit

import (
	"context"
	"slices"
	"strings"
	"testing"

	"postseal/certs"
	"postseal/internal/detect"
	"postseal/internal/lab"
	"postseal/internal/probe"
)

// TestOpinions: others are quoted by their own rules, and where they differ the
// reason is given.
func TestOpinions(t *testing.T) {
	modern := probe.Version{Name: "TLS 1.3", Suites: []probe.Accepted{suite("TLS_AES_256_GCM_SHA384")}}
	for _, x := range []struct {
		name     string
		versions []probe.Version
		says     map[string]string // by what is looked at: how it begins
	}{
		{"strong", []probe.Version{{Name: "TLS 1.2", Suites: []probe.Accepted{suite("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384")}, Signatures: []string{"rsa_pkcs1_sha256", "rsa_pkcs1_sha1"}}, modern},
			map[string]string{"versions": "passes", "suites": "passes", "finite-field groups": "passes", "keys of the chain": "passes", "hash of key exchange": "fails: SHA-1, if", "renegotiation by clients": "passes", "secure renegotiation": "passes", "letter": "T for TLS that is not required"}},
		{"old", []probe.Version{{Name: "TLS 1.0", Suites: []probe.Accepted{suite("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA")}}, modern},
			map[string]string{"versions": "fails: TLS 1.0", "hash of key exchange": "fails: SHA-1", "suites": "fails: TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "letter": "T for TLS that is not required, B for TLS 1.0 or 1.1"}},
		{"anonymous", []probe.Version{{Name: "TLS 1.2", Suites: []probe.Accepted{suite("TLS_ECDH_anon_WITH_AES_128_CBC_SHA")}}},
			map[string]string{"suites": "fails", "letter": "T for TLS that is not required, F for anonymous suites, B for no forward secrecy"}},
		{"finite fields", []probe.Version{{Name: "TLS 1.2", Suites: []probe.Accepted{{Suite: probe.Suite{Name: "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", OpenSSL: "x"}, DHBits: 2048}}}},
			map[string]string{"suites": "warns, phase out: x", "finite-field groups": "fails: 2048 bits", "cipher order": "passes", "compression": "passes", "signatures of the chain": "passes"}},
		{"large finite fields", []probe.Version{{Name: "TLS 1.2", Suites: []probe.Accepted{{Suite: probe.Suite{Name: "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", OpenSSL: "x"}, DHBits: 3072}}}},
			map[string]string{"suites": "warns, phase out: x", "finite-field groups": "warns or fails: 3072 bits"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			e := scene{main: good, master: router + sender, change: well, seen: &probe.Enumeration{Extended: true, Secure: true, Versions: x.versions}}.evidence(t)
			got := map[string]Opinion{}
			for _, o := range Opinions(e) {
				if got[o.What].What != "" || o.Who == "" || o.Says == "" {
					t.Errorf("%+v", o)
				}
				got[o.What] = o
			}
			for what, says := range x.says {
				if o := got[what]; !strings.HasPrefix(o.Says, says) || (o.Says == "passes") != (o.Why == "") || strings.Contains(o.Why, "as before") {
					t.Errorf("%s: %q, not %q; %q", what, o.Says, says, o.Why)
				}
			}
		})
	}
	old := scene{main: good, master: router + sender, version: "3.5.25", seen: shown("TLS 1.2"), leaf: &lab.Leaf{RSA: true}, change: well}
	for what, says := range map[string]string{"renegotiation by clients": "informs: OpenSSL before 3.0", "keys of the chain": "warns, phase out: has an RSA key of 2048"} {
		if all := Opinions(old.evidence(t)); !slices.ContainsFunc(all, func(o Opinion) bool { return o.What == what && strings.HasPrefix(o.Says, says) }) {
			t.Errorf("%s: %+v", what, all)
		}
	}
	two := []probe.Version{{Name: "TLS 1.2", Suites: []probe.Accepted{suite("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384")}, Signatures: []string{"rsa_pkcs1_sha256"}}, modern}
	for _, x := range []struct {
		name string
		seen probe.Enumeration
		says map[string]string
	}{
		{"as it should be", probe.Enumeration{Versions: two, Secure: true, Anew: new(bool)}, map[string]string{"hash of key exchange": "passes", "secure renegotiation": "passes", "renegotiation by clients": "passes"}},
		{"renegotiates", probe.Enumeration{Versions: two, Anew: new(true)}, map[string]string{"secure renegotiation": "fails", "renegotiation by clients": "informs: it is accepted"}},
		{"TLS 1.3 alone", probe.Enumeration{Versions: two[1:]}, map[string]string{"hash of key exchange": "passes", "secure renegotiation": "passes", "renegotiation by clients": "passes"}},
		{"half seen", probe.Enumeration{Versions: two[1:], Incomplete: true}, map[string]string{"versions": "not known", "suites": "not known", "finite-field groups": "not known", "hash of key exchange": "not known", "secure renegotiation": "not known", "letter": "at most T"}},
		{"half seen, and bad enough", probe.Enumeration{Versions: []probe.Version{{Name: "TLS 1.0"}}, Incomplete: true}, map[string]string{"versions": "fails: TLS 1.0", "hash of key exchange": "fails"}},
	} {
		e := scene{main: good, master: router + sender, change: well, seen: &x.seen}.evidence(t)
		for what, says := range x.says {
			if all := Opinions(e); !slices.ContainsFunc(all, func(o Opinion) bool { return o.What == what && strings.HasPrefix(o.Says, says) }) {
				t.Errorf("%s: %s is not %q: %+v", x.name, what, says, all)
			}
		}
		if met := Senders(e); (len(met) == 0) != x.seen.Incomplete {
			t.Errorf("%s: %+v", x.name, met)
		}
	}
	for name, x := range map[string]struct {
		records []certs.TLSA
		says    map[string]string
	}{
		"usable by the web alone": {webTLSA["mx.example.org"], map[string]string{"DANE": "fails: no record that mail"}},
		"of another key":          {wrongTLSA["mx.example.org"], map[string]string{"DANE": "fails: no record names"}},
		"right":                   {[]certs.TLSA{certs.NewTLSA(fixture.issued.Leaf)}, map[string]string{"DANE": "passes", "DANE roll-over": "informs"}},
		"right, and the next":     {[]certs.TLSA{certs.NewTLSA(fixture.issued.Leaf), wrongTLSA["mx.example.org"][0]}, map[string]string{"DANE": "passes", "DANE roll-over": "passes"}},
	} {
		e := scene{main: good, master: router + sender, seen: &probe.Enumeration{Versions: two}, change: func(f *detect.Facts) {
			well(f)
			f.TLSA = map[string][]certs.TLSA{"mx.example.org": x.records}
		}}.evidence(t)
		for what, says := range x.says {
			if all := Opinions(e); !slices.ContainsFunc(all, func(o Opinion) bool { return o.What == what && strings.HasPrefix(o.Says, says) }) {
				t.Errorf("%s: %s is not %q: %+v", name, what, says, all)
			}
		}
	}
	if len(Opinions(scene{main: good, master: router + sender}.evidence(t))) != 0 {
		t.Error("an opinion about what nobody saw")
	}
}

// TestCipherOrder: what the test of the cipher order says of a real Postfix. Its own order is
// by the length of keys, which puts CBC with 256 bits before GCM with 128.
func TestCipherOrder(t *testing.T) {
	ca := lab.NewCA(t)
	leaf := ca.Issue(t, lab.Leaf{RSA: true})
	chain := lab.Write(t, lab.Dir(t), "chain.pem", leaf.Key+leaf.Cert+ca.IntermediatePEM, 0o600)
	const intermediate = "smtpd_tls_protocols = >=TLSv1.2\nsmtpd_tls_exclude_ciphers = aNULL, kRSA, kDHE, SHA1, CAMELLIA, ARIA, AESCCM8"
	for _, x := range []struct{ name, main, says string }{
		{"intermediate", intermediate + "\n", "fails: ECDHE-RSA-AES128-SHA256 if a client prefers it"},
		{"intermediate, and the server chooses", intermediate + "\ntls_preempt_cipherlist = yes\n", "fails: ECDHE-RSA-AES256-SHA384 before ECDHE-RSA-AES128-GCM-SHA256"},
		{"modern", intermediate + ", SHA256, SHA384\n", "passes"},
		{"TLS 1.3 alone", "smtpd_tls_protocols = >=TLSv1.3\n", "passes"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			s := lab.Postfix(t, "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = "+chain+"\n"+x.main, "%s inet n - n - - smtpd")
			seen, err := probe.Enumerate(context.Background(), probe.Target{Addr: s.Addrs[0]}, probe.Options{})
			if err != nil {
				t.Fatal(err)
			}
			all := Opinions(scene{main: good, master: router + sender, change: well, seen: seen}.evidence(t))
			i := slices.IndexFunc(all, func(o Opinion) bool { return o.What == "cipher order" })
			if i < 0 || all[i].Says != x.says {
				t.Errorf("%+v", all)
			}
		})
	}
}
