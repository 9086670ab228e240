package rehearse_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"postseal/internal/interview"
	"postseal/internal/lab"
	"postseal/internal/rehearse"
)

// broken is a configuration that stops or breaks TLS and passes `postfix check`.
type broken struct {
	name, main, master string
	// says is in the words of the cause, parameter is what is to blame.
	says, parameter string
	// works is true if TLS works all the same, and only a note is due.
	works bool
}

// brokenConfigurations are those that people are known to have made.
func brokenConfigurations(t testing.TB, b *bed) []broken {
	other := b.ca.Issue(t, lab.Leaf{})
	file := func(name, text string) string { return lab.Write(t, b.dir, name, text, 0o600) }
	e := b.ecIssued
	chain := b.ca.IntermediatePEM
	may := "smtpd_tls_security_level = may\n"
	chainFile := func(path string) string { return may + "smtpd_tls_chain_files = " + path + "\n" }
	good := chainFile(b.ec)
	encrypted := file("encrypted.pem", `-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHjME4GCSqGSIb3DQEFDTBBMCkGCSqGSIb3DQEFDDAcBAgSJWWxmCVDyAICCAAw
DAYIKoZIhvcNAgkFADAUBggqhkiG9w0DBwQIZgAAAAAAAAAEgZAAAAAAAAAAAAAA
-----END ENCRYPTED PRIVATE KEY-----
`+e.Cert)
	if err := os.MkdirAll(b.dir+"/folder", 0o755); err != nil {
		t.Fatal(err)
	}
	key, cert, otherKey := file("key.pem", e.Key), file("cert.pem", e.Cert+chain), file("other.pem", other.Key)
	return []broken{
		{name: "chain file is not there", main: chainFile("/nonexistent/chain.pem"), says: "cannot be opened", parameter: "smtpd_tls_chain_files"},
		{name: "certificate before the key", main: chainFile(file("swapped.pem", e.Cert+chain+e.Key)), says: "does not begin with its private key", parameter: "smtpd_tls_chain_files"},
		{name: "key alone", main: chainFile(key), says: "no certificate follows", parameter: "smtpd_tls_chain_files"},
		{name: "certificates alone", main: chainFile(cert), says: "does not begin with its private key", parameter: "smtpd_tls_chain_files"},
		{name: "empty chain file", main: chainFile(file("empty.pem", "")), says: "neither a key nor a certificate", parameter: "smtpd_tls_chain_files"},
		{name: "a folder as chain file", main: chainFile(b.dir + "/folder"), says: "neither a key nor a certificate", parameter: "smtpd_tls_chain_files"},
		{name: "encrypted key", main: chainFile(encrypted), says: "is encrypted", parameter: "smtpd_tls_chain_files"},
		{name: "key of another certificate", main: chainFile(file("mismatch.pem", other.Key+e.Cert+chain)), says: "belongs to another certificate", parameter: "smtpd_tls_chain_files"},
		{name: "legacy: certificate file is not there", main: may + "smtpd_tls_cert_file = /nonexistent/cert.pem\n", says: "cannot be opened", parameter: "smtpd_tls_cert_file"},
		{name: "legacy: key file is not there", main: may + "smtpd_tls_cert_file = " + cert + "\nsmtpd_tls_key_file = /nonexistent/key.pem\n", says: "cannot be loaded from", parameter: "smtpd_tls_key_file"},
		{name: "legacy: key of another certificate", main: may + "smtpd_tls_cert_file = " + cert + "\nsmtpd_tls_key_file = " + otherKey + "\n", says: "cannot be loaded from", parameter: "smtpd_tls_key_file"},
		{name: "no certificate at all", main: may, says: "no certificate is set", parameter: "smtpd_tls_chain_files"},
		{name: "CA file is not there", main: good + "smtpd_tls_CAfile = /nonexistent/ca.pem\n", says: "cannot be read", parameter: "smtpd_tls_CAfile"},
		{name: "typo in the protocol list", main: good + "smtpd_tls_protocols = >=TLS1.2\n", says: "is not a list of TLS versions", parameter: "smtpd_tls_protocols"},
		{name: "typo in the mandatory protocol list", main: "smtpd_tls_security_level = encrypt\nsmtpd_tls_chain_files = " + b.ec + "\nsmtpd_tls_mandatory_protocols = TLSv1.2+\n", says: "is not a list of TLS versions", parameter: "smtpd_tls_mandatory_protocols"},
		{name: "unknown cipher grade", main: good + "smtpd_tls_ciphers = strong\n", says: "is not a cipher grade", parameter: "smtpd_tls_ciphers"},
		{name: "misspelt level", main: "smtpd_tls_security_level = maye\nsmtpd_tls_chain_files = " + b.ec + "\n", says: "no mail passes", parameter: "smtpd_tls_security_level"},
		{name: "comment behind the level", main: "smtpd_tls_security_level = may # for now\nsmtpd_tls_chain_files = " + b.ec + "\n", says: "a comment cannot follow a value", parameter: "smtpd_tls_security_level"},
		{name: "a level that only senders have", main: "smtpd_tls_security_level = verify\nsmtpd_tls_chain_files = " + b.ec + "\n", says: "level for sending", parameter: "smtpd_tls_security_level", works: true},
		{name: "unknown curve", main: good + "tls_eecdh_auto_curves = X25519 prime257v1\n", says: "is unknown and ignored", parameter: "tls_eecdh_auto_curves", works: true},
		{name: "DH file is not there", main: good + "smtpd_tls_dh1024_param_file = /nonexistent/dh.pem\n", says: "built-in groups", parameter: "smtpd_tls_dh1024_param_file", works: true},
		{name: "chain files and legacy files", main: good + "smtpd_tls_cert_file = " + cert + "\nsmtpd_tls_key_file = " + key + "\n", says: "are ignored", parameter: "smtpd_tls_chain_files", works: true},
		{name: "all suites excluded", main: good + "smtpd_tls_exclude_ciphers = aNULL, kRSA, ECDHE, kDHE\nsmtpd_tls_protocols = <=TLSv1.2\n", says: "no cipher suite is left", parameter: "smtpd_tls_exclude_ciphers"},
		{name: "ECDSA excluded, ECDSA key", main: good + "smtpd_tls_exclude_ciphers = aECDSA\nsmtpd_tls_protocols = <=TLSv1.2\n", says: "no cipher suite is left", parameter: "smtpd_tls_exclude_ciphers"},
		{name: "yes or no is neither", main: good + "smtpd_tls_ask_ccert = maybe\n", says: "is not a valid boolean", parameter: "smtpd_tls_ask_ccert"},
		{name: "override with blanks", main: good, master: "127.0.0.1:2525 inet n - n - - smtpd -o smtpd_tls_security_level = may\n", says: "line 1 of master.cf", parameter: ""},
		{name: "override that breaks it", main: good, master: "127.0.0.1:2525 inet n - n - - smtpd -o smtpd_tls_chain_files=/nonexistent/x.pem\n", says: "cannot be opened", parameter: "smtpd_tls_chain_files"},
		{name: "STARTTLS is hidden", main: good + "smtpd_discard_ehlo_keywords = starttls\n", says: "set not to offer", parameter: "smtpd_discard_ehlo_keywords"},
		{name: "settings of the TLS library are not there", main: good + "tls_config_file = /nonexistent/openssl.cnf\n", says: "TLS library", parameter: "tls_config_file"},
		{name: "session cache of an unknown kind", main: good + "smtpd_tls_session_cache_database = berkeley:/var/lib/x\n", says: "there is no session cache", parameter: "smtpd_tls_session_cache_database", works: true},
	}
}

// TestBroken: every one of them is caught, and the cause is named.
func TestBroken(t *testing.T) {
	b := newBed(t)
	all := brokenConfigurations(t, b)
	if len(all) < 27 {
		t.Errorf("only %d configurations", len(all))
	}
	for _, x := range all {
		t.Run(x.name, func(t *testing.T) {
			master := x.master
			if master == "" {
				master = plainMaster
			}
			r, err := rehearse.Receive(context.Background(), b.candidate(t, x.main, master), rehearse.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if failed := len(r.Failures()) > 0; failed == x.works {
				t.Errorf("failed %v: %+v", failed, r.Trials)
			}
			i := slices.IndexFunc(r.Trials, func(t rehearse.Trial) bool { return t.Cause != nil })
			if i < 0 {
				t.Fatalf("no cause: %+v", r.Trials)
			}
			c := r.Trials[i].Cause
			if !strings.Contains(c.Text, x.says) || c.Parameter != x.parameter {
				t.Errorf("%q, %s", c.Text, c.Parameter)
			}
			if x.parameter != "" && x.name != "no certificate at all" && c.Origin == "" {
				t.Errorf("%s: nobody says where it stands", c.Parameter)
			}
			foreign := []string{"smtpd_tls_CAfile", "smtpd_tls_dh1024_param_file", "smtpd_tls_ask_ccert", "smtpd_discard_ehlo_keywords", "smtpd_tls_session_cache_database"}
			if c.Foreign != slices.Contains(foreign, x.parameter) {
				t.Errorf("%s: foreign %v", c.Parameter, c.Foreign)
			}
			leads(t, r)
		})
	}
}

// leads looks whether every failure leads to a question.
func leads(t *testing.T, r *rehearse.Report) {
	t.Helper()
	for _, f := range r.Failures() {
		if f.Cause == nil {
			t.Errorf("%s, %s: no cause", f.With, f.Got)
		} else if _, ok := interview.All.Lookup(f.Cause.Question); !ok {
			t.Errorf("%s, %s: no question %q", f.With, f.Got, f.Cause.Question)
		}
	}
}
