package senders_test

import (
	"bytes"
	"context"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"postseal/internal/lab"
	"postseal/internal/probe"
	"postseal/internal/senders"
)

var number = regexp.MustCompile(`^0x[0-9A-F]{4}$`)

// TestData: every sender is whole, has a source, and is there once.
func TestData(t *testing.T) {
	if _, err := time.Parse(time.DateOnly, senders.Date()); err != nil || senders.LeftOut() == "" || len(senders.All()) < 12 {
		t.Errorf("%v, %d senders", err, len(senders.All()))
	}
	seen := map[string]bool{}
	for _, s := range senders.All() {
		if seen[s.Name] || s.Source == "" || s.Oldest == "" || s.Newest == "" || len(s.Suites) < 8 {
			t.Errorf("%+v", s)
		}
		seen[s.Name] = true
		for _, id := range s.Suites {
			if !number.MatchString(id) {
				t.Errorf("%s: %s", s.Name, id)
			}
		}
		for _, g := range s.Shares {
			if !slices.Contains(s.Groups, g) {
				t.Errorf("%s sends a key for %s and does not offer it", s.Name, g)
			}
		}
	}
}

// client is a program that sends as one of the senders does.
type client struct {
	sender, program string
	args            []string
	// agreed finds what it says of a handshake.
	agreed func(text string) (senders.Outcome, bool)
}

// releases are what the data was taken from: how to ask a program, and what it
// answers then.
var releases = map[string]struct {
	ask  []string
	says string
}{
	"openssl":        {[]string{"openssl", "version"}, "OpenSSL 3.0."},
	"gnutls-cli":     {[]string{"gnutls-cli", "--version"}, "gnutls-cli 3.7."},
	"posttls-finger": {[]string{"postconf", "-hd", "mail_version"}, "3.7."},
}

// isHere reports whether the program is the release that the data is of.
func (c client) isHere(t *testing.T) bool {
	t.Helper()
	r := releases[c.program]
	out, err := exec.Command(r.ask[0], r.ask[1:]...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.HasPrefix(string(out), r.says)
}

var clients = []client{
	{"OpenSSL 3.0", "openssl", []string{"s_client", "-starttls", "smtp", "-connect", "ADDR"}, func(text string) (o senders.Outcome, ok bool) {
		m := regexp.MustCompile(`(?m)^New, .*, Cipher is ([^(\s]+)$`).FindStringSubmatch(text)
		if m == nil {
			return o, false
		}
		o.Suite = m[1]
		if g := regexp.MustCompile(`Server Temp Key: (?:ECDH, )?(\w+), (\d+)`).FindStringSubmatch(text); g != nil && g[1] != "DH" {
			o.Group = strings.ReplaceAll(g[1], "prime256v1", "secp256r1")
		} else if g != nil {
			o.DHBits, _ = strconv.Atoi(g[2])
		}
		return o, true
	}},
	{"Exim with GnuTLS 3.7", "gnutls-cli", []string{"--insecure", "--starttls-proto=smtp", "-p", "PORT", "HOST"}, func(text string) (o senders.Outcome, ok bool) {
		m := regexp.MustCompile(`Description: \(TLS([\d.]+)[^)]*\)-\((?:ECDHE-)?([^)]*)\)`).FindStringSubmatch(text)
		if m == nil {
			return o, false
		}
		o.Version = "TLS " + m[1]
		if strings.HasPrefix(m[2], "SECP") || strings.HasPrefix(m[2], "X") {
			o.Group = m[2]
		}
		return o, true
	}},
	{"Postfix 3.7 with OpenSSL 3.0", "posttls-finger", []string{"-c", "-l", "may", "-L", "summary", "[HOST]:PORT"}, func(text string) (o senders.Outcome, ok bool) {
		m := regexp.MustCompile(`established to .*: TLSv([\d.]+) with cipher (\S+)(?:.*key-exchange (?:ECDHE \()?([\w-]+))?`).FindStringSubmatch(text)
		if m == nil {
			return o, false
		}
		o.Version, o.Suite = "TLS "+m[1], m[2]
		if m[1] == "1" {
			o.Version = "TLS 1.0"
		}
		if m[3] != "" {
			o.Group = strings.ReplaceAll(m[3], "P-256", "secp256r1")
		}
		return o, true
	}},
}

// compare holds what was worked out against what a program says; it does not say
// everything.
func compare(t *testing.T, worked, said senders.Outcome, ok bool) {
	t.Helper()
	differs := func(a, b string) bool { return b != "" && !strings.EqualFold(a, b) }
	if worked.Version == "TLS 1.1" {
		said.Group = "" // not worked out
	}
	if ok != (worked.Fails == "") || ok && (differs(worked.Version, said.Version) || differs(worked.Suite, said.Suite) || said.Group != "" && differs(worked.Group, said.Group) || said.DHBits > 0 && worked.DHBits != said.DHBits) {
		t.Errorf("%+v, and really %v %+v", worked, ok, said)
	}
}

// TestMeet: what is worked out for a real Postfix is what real programs agree on
// with it.
func TestMeet(t *testing.T) {
	lab.Need(t, "openssl", "gnutls-cli", "posttls-finger", "postconf")
	ca := lab.NewCA(t)
	rsa, ec := ca.Issue(t, lab.Leaf{RSA: true}), ca.Issue(t, lab.Leaf{})
	for _, x := range []struct{ name, main, certs string }{
		{"as it comes", "", rsa.Key + rsa.Cert},
		{"both kinds of certificates", "", rsa.Key + rsa.Cert + ec.Key + ec.Cert},
		{"strict", "smtpd_tls_exclude_ciphers = aNULL, kRSA, kDHE, SHA1, SHA256, SHA384, CAMELLIA, ARIA, AESCCM8\nsmtpd_tls_protocols = >=TLSv1.2\n", ec.Key + ec.Cert},
		{"TLS 1.2 alone", "smtpd_tls_protocols = TLSv1.2\nsmtpd_tls_exclude_ciphers = aNULL\n", rsa.Key + rsa.Cert},
		{"key exchange by primes", "smtpd_tls_protocols = TLSv1.2\nsmtpd_tls_exclude_ciphers = aNULL, kECDHE, kRSA\n", rsa.Key + rsa.Cert},
		{"the server chooses among few", "smtpd_tls_protocols = TLSv1.2\ntls_preempt_cipherlist = yes\ntls_medium_cipherlist = ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA\n", rsa.Key + rsa.Cert},
		{"the server chooses", "smtpd_tls_protocols = TLSv1.2\ntls_preempt_cipherlist = yes\n", rsa.Key + rsa.Cert},
		{"one group", "tls_eecdh_auto_curves = secp384r1\n", rsa.Key + rsa.Cert},
		{"TLS 1.1 alone", "smtpd_tls_protocols = TLSv1.1\nsmtpd_tls_exclude_ciphers = aNULL\n", rsa.Key + rsa.Cert},
		{"TLS 1.1 alone, and no signed key exchange", "smtpd_tls_protocols = TLSv1.1\nsmtpd_tls_exclude_ciphers = aNULL, kECDHE, kDHE\n", rsa.Key + rsa.Cert},
		{"nothing in common", "smtpd_tls_protocols = TLSv1.2\ntls_medium_cipherlist = CAMELLIA128-SHA\n", rsa.Key + rsa.Cert},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			chain := lab.Write(t, lab.Dir(t), "chain.pem", x.certs, 0o600)
			s := lab.Postfix(t, "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = "+chain+"\n"+x.main, "%s inet n - n - - smtpd")
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			seen, err := probe.Enumerate(ctx, probe.Target{Addr: s.Addrs[0]}, probe.Options{})
			if err != nil {
				t.Fatal(err)
			}
			outcomes := map[string]senders.Outcome{}
			for _, one := range senders.All() {
				outcomes[one.Name] = one.Meet(seen)
			}
			host, port, _ := strings.Cut(s.Addrs[0], ":")
			for _, c := range clients {
				if !c.isHere(t) {
					continue // another release offers other things
				}
				if c.program == "gnutls-cli" && strings.Contains(x.main, "kECDHE, kDHE") {
					continue // it refuses static RSA with a certificate for signatures only
				}
				cmd := exec.CommandContext(ctx, c.program)
				for _, a := range c.args {
					cmd.Args = append(cmd.Args, strings.NewReplacer("ADDR", s.Addrs[0], "HOST", host, "PORT", port).Replace(a))
				}
				cmd.Stdin = strings.NewReader("QUIT\r\n")
				var text bytes.Buffer
				cmd.Stdout, cmd.Stderr = &text, &text
				_ = cmd.Run() // it fails where the handshake fails
				said, ok := c.agreed(text.String())
				compare(t, outcomes[c.sender], said, ok)
			}
			if !strings.HasPrefix(runtime.Version(), "go1.26") || strings.Contains(x.main, "TLSv1.1") {
				return // the prober offers TLS 1.1, which the defaults of Go do not
			}
			r, err := probe.Handshake(ctx, probe.Target{Addr: s.Addrs[0]}, probe.Options{})
			compare(t, outcomes["Go 1.26"], senders.Outcome{Version: r.Version, Group: strings.NewReplacer("CurveP", "secp", "256", "256r1", "384", "384r1").Replace(r.Group)}, err == nil)
		})
	}
}

// TestShare: with TLS 1.3 the group of a key that is already there is taken, and
// a server does not go back a version if no suite is shared.
func TestShare(t *testing.T) {
	server := &probe.Enumeration{Groups: []string{"x25519", "secp256r1"}, Versions: []probe.Version{
		{Name: "TLS 1.0", Suites: []probe.Accepted{{Suite: probe.Suite{ID: 0x2F, Name: "TLS_RSA_WITH_AES_128_CBC_SHA"}}}},
		{Name: "TLS 1.3", Suites: []probe.Accepted{{Suite: probe.Suite{ID: 0x1301, OpenSSL: "a"}}}},
	}}
	s := senders.Sender{Oldest: "TLS 1.0", Newest: "TLS 1.3", Suites: []string{"0x1301"}, Groups: []string{"x25519", "secp256r1"}, Shares: []string{"secp256r1"}}
	if o := s.Meet(server); o.Group != "secp256r1" || o.Suite != "a" || o.Fails != "" {
		t.Errorf("%+v", o)
	}
	s.Suites = []string{"0x002F"}
	if o := s.Meet(server); o.Fails == "" {
		t.Errorf("%+v", o)
	}
	s.Newest = "TLS 1.2"
	if o := s.Meet(server); o.Fails != "" || o.Version != "TLS 1.0" {
		t.Errorf("%+v", o)
	}
	old := senders.Sender{Oldest: "TLS 1.0", Newest: "TLS 1.0", Suites: []string{"0x0033"}, LongestPrime: 1024}
	server.Versions[0].Suites[0] = probe.Accepted{Suite: probe.Suite{ID: 0x33}, DHBits: 2048}
	if o := old.Meet(server); o.Fails == "" {
		t.Errorf("a prime that is too long: %+v", o)
	}
}
