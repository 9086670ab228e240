package plan_test

import (
	"testing"

	"postseal/internal/lab"
	"postseal/internal/plan"
)

// TestInstallBesideAnother: what must be served after one file of a pair was
// replaced is both of them, wherever the other one's key stands.
func TestInstallBesideAnother(t *testing.T) {
	const ec, rsa, staged = "/c/ecdsa.pem", "/c/rsa.pem", "/s/ecdsa.pem"
	for name, list := range map[string]string{
		"one file each": "smtpd_tls_chain_files = " + ec + ", " + rsa, "the target is last": "smtpd_tls_chain_files = " + rsa + ", " + ec,
		"a key of its own": "smtpd_tls_chain_files = " + ec + ", /c/rsa.key, /c/rsa.crt",
		"the old way":      "smtpd_tls_eccert_file = " + ec + "\nsmtpd_tls_cert_file = /c/rsa.crt\nsmtpd_tls_key_file = /c/rsa.key",
	} {
		files := tree(t, "myhostname = mx.example.org\nsmtpd_tls_security_level = may\n"+list+"\n", stockMaster)
		files[ec], files[rsa] = issued["ec"].Key+issued["ec"].Cert, issued["rsa"].Key+issued["rsa"].Cert
		files["/c/rsa.key"], files["/c/rsa.crt"] = issued["rsa"].Key, issued["rsa"].Cert
		fresh := ca.Issue(t, lab.Leaf{})
		files[staged] = fresh.Key + fresh.Cert
		m := lab.Machine(t, "3.7.11", files)
		f, _ := look(t, m)
		f.Inspect(m, []string{staged, ec})
		p, err := plan.Install(f, staged, ec)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"ECDSA": fingerprint(fresh), "RSA": fingerprint(issued["rsa"])}
		if len(p.Checks) != 1 || len(p.Checks[0].Serves) != 2 || p.Checks[0].Serves["ECDSA"] != want["ECDSA"] || p.Checks[0].Serves["RSA"] != want["RSA"] {
			t.Errorf("%s: %+v, want %v", name, p.Checks, want)
		}
	}
}

func fingerprint(i lab.Issued) string { return plan.Digest(i.Leaf.Raw) }
