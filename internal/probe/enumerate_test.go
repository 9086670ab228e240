package probe_test

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postseal/internal/lab"
	"postseal/internal/probe"
)

// truth asks for each suite by itself, with a full handshake of OpenSSL.
func truth(t *testing.T, addr string, starttls bool) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	gate := make(chan struct{}, 4)
	for version, flag := range map[string]string{"TLS 1.0": "-tls1", "TLS 1.1": "-tls1_1", "TLS 1.2": "-tls1_2", "TLS 1.3": "-tls1_3"} {
		list, option := "ALL:COMPLEMENTOFALL:@SECLEVEL=0", "-cipher"
		names, err := exec.Command("openssl", "ciphers", "-s", flag, list).Output()
		if version == "TLS 1.3" {
			names, option = []byte("TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256"), "-ciphersuites"
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range strings.Split(strings.TrimSpace(string(names)), ":") {
			if strings.Contains(name, "PSK") || strings.Contains(name, "SRP") || option == "-cipher" && strings.HasPrefix(name, "TLS_") {
				continue
			}
			wg.Add(1)
			go func() {
				defer wg.Done()
				gate <- struct{}{}
				defer func() { <-gate }()
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				defer cancel()
				value := name + ":@SECLEVEL=0"
				if option == "-ciphersuites" {
					value = name
				}
				cmd := exec.CommandContext(ctx, "openssl", "s_client", "-connect", addr, flag, option, value, "-brief")
				if starttls {
					cmd.Args = append(cmd.Args, "-starttls", "smtp")
				}
				cmd.Stdin = strings.NewReader("QUIT\r\n")
				said, _ := cmd.CombinedOutput() // the exit code tells of the end of the session too
				if strings.Contains(string(said), "CONNECTION ESTABLISHED") {
					mu.Lock()
					out[version] = append(out[version], name)
					mu.Unlock()
				}
			}()
		}
	}
	wg.Wait()
	for _, list := range out {
		slices.Sort(list)
	}
	return out
}

// orderTruth asks OpenSSL for the suite that is chosen among all that are left,
// until none is.
func orderTruth(t *testing.T, addr, flag string) (out []string) {
	t.Helper()
	list := "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
	for range 200 {
		cmd := exec.Command("openssl", "s_client", "-connect", addr, "-starttls", "smtp", flag, "-cipher", list, "-brief")
		cmd.Stdin = strings.NewReader("QUIT\r\n")
		said, _ := cmd.CombinedOutput() // the exit code tells of the end of the session too
		_, name, ok := strings.Cut(string(said), "Ciphersuite: ")
		if !ok {
			return out
		}
		name, _, _ = strings.Cut(name, "\n")
		out, list = append(out, name), list+":!"+name
	}
	t.Fatal("no end of suites")
	return nil
}

func versionOf(e *probe.Enumeration, name string) bool {
	return slices.ContainsFunc(e.Versions, func(v probe.Version) bool { return v.Name == name })
}

// TestEnumerate: on servers weak and strong, what is found is what a client of
// OpenSSL finds that asks for one suite at a time.
func TestEnumerate(t *testing.T) {
	lab.Need(t, "openssl")
	ec, rs := pair(t)
	services := map[string]string{
		"weak":          "smtpd_tls_chain_files=" + ec + "," + rs,
		"strong":        "smtpd_tls_chain_files=" + ec + "," + rs + " -o smtpd_tls_protocols=>=TLSv1.2 -o smtpd_tls_exclude_ciphers=aNULL,kRSA,kDHE,SHA1,SHA256,SHA384,CAMELLIA,ARIA,AESCCM8",
		"anonymous":     "smtpd_tls_cert_file=none",
		"RSA alone":     "smtpd_tls_chain_files=" + rs + " -o smtpd_tls_protocols=>=TLSv1.2",
		"ECDSA alone":   "smtpd_tls_chain_files=" + ec + " -o smtpd_tls_protocols=>=TLSv1.2",
		"TLS 1.3 alone": "smtpd_tls_chain_files=" + ec + " -o smtpd_tls_protocols=TLSv1.3",
		"TLS 1.3 pair":  "smtpd_tls_chain_files=" + ec + "," + rs + " -o smtpd_tls_protocols=TLSv1.3 -o smtpd_tls_ask_ccert=yes -o smtpd_tls_CAfile=" + rs,
		"old alone":     "smtpd_tls_chain_files=" + rs + " -o smtpd_tls_protocols=<=TLSv1.1",
		"server order":  "smtpd_tls_chain_files=" + ec + " -o smtpd_tls_protocols=TLSv1.2 -o tls_preempt_cipherlist=yes -o smtpd_tls_ask_ccert=yes -o smtpd_tls_CAfile=" + rs,
	}
	names := slices.Sorted(func(yield func(string) bool) {
		for n := range services {
			if !yield(n) {
				return
			}
		}
	})
	var entries []string
	for _, n := range names {
		entries = append(entries, "%s inet n - n - - smtpd -o "+services[n])
	}
	server := lab.Postfix(t, "smtpd_tls_security_level = may\nsmtpd_peername_lookup = no\nsmtpd_tls_loglevel = 1\n", entries...)
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			e, err := probe.Enumerate(context.Background(), probe.Target{Addr: server.Addrs[i]}, probe.Options{})
			if err != nil {
				t.Fatal(err)
			}
			pairs := 0
			for _, v := range e.Versions {
				pairs += len(v.Suites)
			}
			if d := cmp.Diff(truth(t, server.Addrs[i], true), found(e)); d != "" {
				t.Errorf("(-OpenSSL +ours)\n%s", d)
			}
			// Every accepted suite costs one handshake, and every chain one more, for
			// its refusal; where the server chooses, that is found out by one. A group
			// costs one where it is not found on the way, by suites; then one more
			// tells what was refused, suite or group. Two look around.
			const looks = 6 + 1 + 2                                                          // how sessions are resumed, negotiated anew, and named
			chains := map[string]int{"TLS 1.0": 2, "TLS 1.1": 2, "TLS 1.2": 3, "TLS 1.3": 2} // where the server chooses two, else one, three of TLS 1.2
			bound := pairs + 5 - len(e.Versions) + 2 + 2 + looks
			if versionOf(e, "TLS 1.3") {
				bound += len(e.Groups) - 3 + 2
			}
			if versionOf(e, "TLS 1.2") && name != "weak" && name != "RSA alone" { // those have more suites than curves
				bound += len(e.Curves) + 2
			}
			for _, v := range e.Versions {
				bound += chains[v.Name] + len(v.Signatures)
			}
			if e.Incomplete || e.Handshakes > bound {
				t.Errorf("%d handshakes for %d pairs, more than %d", e.Handshakes, pairs, bound)
			}
			kinds := map[string]bool{}
			for _, c := range e.Certificates {
				kinds[c.Algorithm] = true
			}
			switch name {
			case "weak":
				quick, err := probe.Enumerate(context.Background(), probe.Target{Addr: server.Addrs[i]}, probe.Options{Quick: true})
				if err != nil || quick.Handshakes > 126 || !quick.Quick || quick.Injected != nil || cmp.Diff(found(e), found(quick)) != "" {
					t.Errorf("a quick look: %v, %+v", err, quick)
				}
				if !kinds["RSA"] || !kinds["ECDSA"] || len(e.Groups) < 4 || len(e.Curves) < 4 || !e.Extended || !e.Tickets || pairs != 110 {
					t.Errorf("%d pairs, %+v", pairs, e)
				}
				// What Postfix is known for: no renegotiation, tickets, and one
				// certificate for every name.
				if !e.Secure || e.Anew == nil || *e.Anew || !slices.Contains(e.Resumes, "TLS 1.3 ticket") || len(e.Names) != 2 || e.Names[0].Certificate == "" || e.Names[0] == e.Names[1] || e.Names[0].Certificate != e.Names[1].Certificate {
					t.Errorf("secure %v, anew %v, %v, %+v", e.Secure, e.Anew, e.Resumes, e.Names)
				}
			case "TLS 1.3 alone", "TLS 1.3 pair":
				want := []string{"ecdsa_secp256r1_sha256"}
				if name == "TLS 1.3 pair" {
					want = append(want, "rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512")
					quick, err := probe.Enumerate(context.Background(), probe.Target{Addr: server.Addrs[i]}, probe.Options{Quick: true})
					if err != nil || quick.Handshakes > 126 || cmp.Diff(found(e), found(quick)) != "" {
						t.Errorf("a quick look: %v, %+v", err, quick)
					}
					if !kinds["RSA"] || !e.AsksCertificate || e.Authorities != 2 {
						t.Errorf("%+v", e)
					}
				}
				if d := cmp.Diff(want, e.Versions[0].Signatures); d != "" || !kinds["ECDSA"] {
					t.Errorf("signatures %s, certificates %+v", d, e.Certificates)
				}
				for _, c := range e.Certificates {
					if c.Subject != "CN=mx.example.org" || c.Issuer != "CN=postseal test intermediate" || c.Length != 2 || len(c.Chain) != 1 || c.Chain[0].Subject != c.Issuer || c.Signature != "ECDSA-SHA256" || !c.NotBefore.Before(c.NotAfter) {
						t.Errorf("%+v", c)
					}
				}
			case "server order":
				if e.Versions[0].Chooses != "server" || !e.AsksCertificate {
					t.Errorf("%+v", e)
				}
				var order []string
				for _, s := range e.Versions[0].Suites {
					order = append(order, s.OpenSSL)
				}
				if d := cmp.Diff(orderTruth(t, server.Addrs[i], "-tls1_2"), order); d != "" {
					t.Errorf("the order (-OpenSSL +ours)\n%s", d)
				}
			case "strong":
				if e.Versions[0].Name != "TLS 1.2" || e.Versions[0].Chooses != "client" || pairs != 11 {
					t.Errorf("%d pairs, %+v", pairs, e)
				}
			}
			// All of tls_eecdh_auto_curves (postconf(5)), by the suites that need no curve in the certificate.
			if curves := len(e.Curves); name != "server order" && versionOf(e, "TLS 1.2") && curves != 5 || versionOf(e, "TLS 1.3") && len(e.Groups) != 5 {
				t.Errorf("curves %v, groups %v", e.Curves, e.Groups)
			}
			if (e.Injected == nil) != (name == "anonymous") { // Go has no suites for that
				t.Errorf("injection %v", e.Injected)
			}
			if e.Injected != nil && *e.Injected || e.Compressed || e.Quick {
				t.Errorf("%+v", e)
			}
			t.Logf("%d pairs, %d handshakes, %d at most, %s, groups %v, curves %v", pairs, e.Handshakes, bound, e.Took, e.Groups, e.Curves)
		})
	}
}
