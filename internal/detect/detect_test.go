package detect_test

import (
	stdcmp "cmp"
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/lab"
)

func look(t *testing.T, m host.Reader) *detect.Facts {
	t.Helper()
	f, err := detect.Look(context.Background(), m, "", "/etc/postseal/certs", nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

const (
	smtp  = "smtp inet n - n - - smtpd\nsmtp unix - - n - - smtp\n"
	named = "myhostname = mx.example.org\nmydomain = example.org\nmydestination = $myhostname, localhost\n"
)

func TestRole(t *testing.T) {
	for _, c := range []struct {
		name, main, master string
		want               detect.Role
		why                string
	}{
		{"router", named + "relay_domains = example.org, example.net\n", smtp, detect.Router, "it accepts mail for example.org"},
		{"router by tables", named + "virtual_mailbox_domains = hash:/etc/postfix/domains\ninet_interfaces = loopback-only\n", smtp, detect.Router, "lookup tables"},
		{"all domains but one, which is not its own", named + "relay_domains = !example.com, example.org\n", smtp, detect.Router, "it accepts mail for example.org"},
		{"a private network", named + "inet_interfaces = 127.0.0.1, 10.1.2.3\n", smtp, detect.Router, "a private network"},
		{"one private address", named, "10.1.2.3:25 inet n - n - - smtpd\n", detect.Router, "a private network"},
		{"open port", named, smtp, detect.Router, "open to other servers"},
		{"null client", named + "inet_interfaces = loopback-only\n", smtp, detect.Sender, "only to this machine"},
		{"one address of loopback", named, "127.0.0.1:25 inet n - n - - smtpd\n", detect.Sender, "only to this machine"},
		{"no listener", named, "smtp unix - - n - - smtp\n", detect.Sender, "nothing listens"},
		{"submission", named, smtp + "submission inet n - n - - smtpd\n", detect.Mailserver, "submission/inet"},
		{"by number, with AUTH", named, smtp + "2525 inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes\n", detect.Mailserver, "2525/inet"},
		{"wrapper", named, smtp + "smtps inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n", detect.Mailserver, "smtps/inet"},
		{"no master.cf", named, "", detect.Router, "master.cf was not read"},
	} {
		files := map[string]string{"main.cf": c.main, "master.cf": c.master}
		if c.master == "" {
			delete(files, "master.cf")
		}
		f := look(t, lab.Machine(t, "3.7.11", files))
		if f.Role != c.want || !strings.Contains(f.RoleWhy, c.why) {
			t.Errorf("%s: %s, because %s", c.name, f.Role, f.RoleWhy)
		}
	}
}

func TestListeners(t *testing.T) {
	f := look(t, lab.Machine(t, "3.7.11", map[string]string{
		"main.cf": named + "inet_interfaces = 192.0.2.1, localhost\nsmtpd_use_tls = yes\nmua = encrypt\n",
		"master.cf": "smtp inet n - y - 1 postscreen -o postscreen_upstream_proxy_protocol=haproxy\nsmtpd pass - - y - - smtpd\n" +
			"submission inet n - n - - smtpd -o smtpd_tls_security_level=$mua -o smtpd_sasl_auth_enable=yes\n" +
			"[::1]:465 inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n" +
			"127.0.0.1:10025 inet n - n - - smtpd -o content_filter= -o { smtpd_tls_security_level = none }\n" +
			"192.0.2.1:26 inet n - n - - smtpd -o smtpd_enforce_tls=yes\n" +
			"smtp unix - - y - - smtp\nrelay unix - - - - - smtp -o smtp_enforce_tls=yes\n",
	}))
	var got []string
	for _, l := range f.Listeners {
		got = append(got, strings.Join([]string{l.Service.ID(), string(l.Kind), l.Addr, l.Level, flags(l)}, " "))
	}
	want := []string{
		"smtp/inet smtp 127.0.0.1:25 may screened,proxy",
		"submission/inet submission 127.0.0.1:587 encrypt auth",
		"[::1]:465/inet internal [::1]:465 encrypt wrapper",
		"127.0.0.1:10025/inet internal 127.0.0.1:10025 none ",
		"192.0.2.1:26/inet smtp 192.0.2.1:26 encrypt ",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	var transports []string
	for _, x := range f.Transports {
		transports = append(transports, x.Service.ID()+" "+x.Level)
	}
	if d := cmp.Diff([]string{"smtp/unix none", "relay/unix verify"}, transports); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if !f.Transports[0].Chroot || !f.Transports[1].Chroot {
		t.Error("chroot: y, and - below compatibility level 1, are both in a chroot")
	}
}

func flags(l detect.Listener) string {
	var out []string
	for name, on := range map[string]bool{"screened": l.Screened, "wrapper": l.Wrapper, "proxy": l.Proxy, "auth": l.Auth} {
		if on {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	slices.Reverse(out)
	return strings.Join(out, ",")
}

func TestResolver(t *testing.T) {
	yes, no := host.Answer{RCode: "NOERROR", AD: true}, host.Answer{RCode: "NOERROR"}
	for _, c := range []struct {
		name, master, conf, chrooted string
		answer                       *host.Answer
		want                         detect.Tri
		why                          string
	}{
		{"local and validating", smtp, "nameserver 127.0.0.1\n", "", &yes, detect.Yes, "127.0.0.1 validates"},
		{"IPv6 loopback", smtp, "nameserver ::1\n", "", &yes, detect.Yes, "::1 validates"},
		{"validating, but far", smtp, "nameserver 192.0.2.53\n", "", &yes, detect.No, "cross the network"},
		{"one of two is far", smtp, "nameserver 127.0.0.1\nnameserver 192.0.2.53\n", "", &yes, detect.No, "192.0.2.53"},
		{"not validating", smtp, "# x\nsearch example.org\nnameserver 127.0.0.53\n", "", &no, detect.No, "does not validate"},
		{"no answer", smtp, "nameserver 127.0.0.1\n", "", nil, detect.Unknown, "DNS resolver 127.0.0.1 does not answer"},
		{"none named is the local one", smtp, "", "", &yes, detect.Yes, "127.0.0.1"},
		{"the chroot counts", "smtp unix - - y - - smtp\n", "nameserver 192.0.2.53\n", "nameserver 127.0.0.1\n", &yes, detect.Yes, "127.0.0.1"},
	} {
		files := map[string]string{"main.cf": named, "master.cf": c.master, "/etc/resolv.conf": c.conf}
		if c.chrooted != "" {
			files["/var/spool/postfix/etc/resolv.conf"] = c.chrooted
		}
		m := lab.Machine(t, "3.7.11", files)
		if c.answer != nil {
			m.DNS[". NS"] = *c.answer
		}
		if f := look(t, m); f.Resolver.Validates != c.want || !strings.Contains(f.Resolver.Why, c.why) {
			t.Errorf("%s: %s, %s", c.name, f.Resolver.Validates, f.Resolver.Why)
		}
	}
}

// TestResolverProved: a resolver on any address of this machine counts, and one that passes
// on what is forged does not, whatever it says of the root zone.
func TestResolverProved(t *testing.T) {
	resolver := func(addr string, forged *host.Answer) detect.Resolver {
		t.Helper()
		m := lab.Machine(t, "3.7.11", map[string]string{"main.cf": named, "master.cf": smtp, "/etc/resolv.conf": "nameserver " + addr + "\n"})
		m.DNS[". NS"] = host.Answer{RCode: "NOERROR", AD: true}
		if forged != nil {
			m.DNS[detect.Forged+" A"] = *forged
		}
		return look(t, m).Resolver
	}
	for name, c := range map[string]struct {
		forged *host.Answer
		want   detect.Tri
	}{
		"rejected":    {&host.Answer{RCode: "SERVFAIL"}, detect.Yes},
		"unreachable": {nil, detect.Yes},
		"no network":  {&host.Answer{RCode: "NXDOMAIN"}, detect.Yes},
		"passed on":   {&host.Answer{RCode: "NOERROR", Records: []string{"192.0.2.1"}}, detect.No},
		"vouched for": {&host.Answer{RCode: "NOERROR", AD: true, Records: []string{"192.0.2.1"}}, detect.No},
	} {
		if r := resolver("127.0.0.1", c.forged); r.Validates != c.want || c.want == detect.No && !strings.Contains(r.Why, detect.Forged) {
			t.Errorf("%s: %s, %s", name, r.Validates, r.Why)
		}
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	own := 0
	for _, a := range all {
		p, err := netip.ParsePrefix(a.String())
		if err != nil || p.Addr().IsLoopback() || p.Addr().IsLinkLocalUnicast() {
			continue
		}
		own++
		if r := resolver(p.Addr().String(), nil); r.Validates != detect.Yes {
			t.Errorf("%s is an address of this machine: %s, %s", p.Addr(), r.Validates, r.Why)
		}
	}
	if own == 0 {
		t.Log("this machine has no address but those of its loopback")
	}
}

func TestNames(t *testing.T) {
	m := lab.Machine(t, "3.7.11", map[string]string{"main.cf": named + "relay_domains = example.org, example.net\n", "master.cf": smtp, "/etc/resolv.conf": "nameserver 127.0.0.1\n"})
	m.DNS["example.org MX"] = host.Answer{RCode: "NOERROR", Records: []string{"10 MX.example.org.", "20 mx2.example.org."}}
	m.DNS["example.net MX"] = host.Answer{RCode: "NOERROR", Records: []string{"10 elsewhere.example.com."}}
	want := []detect.Name{{Name: "mx.example.org", Why: "myhostname"}, {Name: "mx2.example.org", Why: "MX of example.org"}}
	if d := cmp.Diff(want, look(t, m).Needed); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	// Another machine of the same domain, with a key of its own.
	m.DNS["mx.example.org A"] = host.Answer{RCode: "NOERROR", Records: []string{"192.0.2.1"}}
	m.DNS["mx2.example.org A"] = host.Answer{RCode: "NOERROR", Records: []string{"192.0.2.2"}}
	if d := cmp.Diff(want[:1], look(t, m).Needed); d != "" {
		t.Errorf("another machine (-want +got)\n%s", d)
	}
	m.DNS["mx2.example.org A"] = host.Answer{RCode: "NOERROR", Records: []string{"192.0.2.9", "192.0.2.1"}}
	if d := cmp.Diff(want, look(t, m).Needed); d != "" {
		t.Errorf("the same machine (-want +got)\n%s", d)
	}
	// A name of another domain is ours if it leads here.
	m.DNS["elsewhere.example.com A"] = host.Answer{RCode: "NOERROR", Records: []string{"192.0.2.1"}}
	if d := cmp.Diff(append(want, detect.Name{Name: "elsewhere.example.com", Why: "MX of example.net"}), look(t, m).Needed); d != "" {
		t.Errorf("another domain (-want +got)\n%s", d)
	}
}

func TestCertificates(t *testing.T) {
	ca := lab.NewCA(t)
	ec, rsa, alone := ca.Issue(t, lab.Leaf{}), ca.Issue(t, lab.Leaf{RSA: true}), ca.Issue(t, lab.Leaf{Names: []string{"other.example.net"}})
	f := look(t, lab.Machine(t, "3.7.11", map[string]string{
		"main.cf":    named + "ssl = /c\nsmtpd_tls_cert_file = $ssl/rsa.pem\nsmtpd_tls_key_file = ${ssl}/rsa.key\nsmtpd_tls_eccert_file = /c/ec.pem\nsmtp_tls_cert_file = $smtpd_tls_cert_file\nsmtp_tls_key_file = $smtpd_tls_key_file\n",
		"master.cf":  smtp + "587 inet n - n - - smtpd -o smtpd_tls_chain_files=/c/alone.key,/c/alone.pem\n26 inet n - n - - smtpd -o smtpd_tls_cert_file=/c/none.pem\n",
		"/c/rsa.pem": rsa.Cert + ca.IntermediatePEM, "/c/rsa.key": rsa.Key, "/c/ec.pem": ec.Cert + ec.Key,
		"/c/alone.pem": alone.Cert, "/c/alone.key": alone.Key,
		"/etc/letsencrypt/live/mx/fullchain.pem": ec.Cert + ca.IntermediatePEM, "/etc/letsencrypt/live/mx/privkey.pem": ec.Key,
		"/etc/ssl/certs/ca-certificates.crt": ca.RootPEM, "/etc/ssl/certs/ssl-cert-snakeoil.pem": rsa.Cert,
	}))
	if f.Sample == "" || f.Sample != f.Certificates[0].Fingerprint {
		t.Errorf("a copy of the sample certificate is not known: %q", f.Sample)
	}
	var got []string
	for _, c := range f.Certificates {
		s := c.Chain + " " + c.Key + " " + string(c.KeyMatch)
		for _, x := range []struct {
			on   bool
			name string
		}{{c.Server, "server"}, {c.Client, "client"}, {c.Complete, "complete"}, {c.Owner != "", c.Owner}, {len(c.Services) > 0, strings.Join(c.Services, " ")}, {c.Err != nil, "broken"}} {
			if x.on {
				s += " " + x.name
			}
		}
		got = append(got, s)
	}
	want := []string{
		"/c/rsa.pem /c/rsa.key yes server client complete",
		// A service that names another RSA certificate still inherits the ECDSA one.
		"/c/ec.pem /c/ec.pem yes server certbot 26/inet", // the same key as certbot's
		"/c/alone.pem /c/alone.key yes 587/inet",
		"/c/none.pem /c/rsa.key unknown 26/inet broken",
		"/etc/letsencrypt/live/mx/fullchain.pem /etc/letsencrypt/live/mx/privkey.pem yes complete certbot",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if path, own, ok := f.KeyFor("/c/rsa.pem"); path != "/c/rsa.key" || own || !ok {
		t.Errorf("key of rsa.pem: %s %v %v", path, own, ok)
	}
	for _, p := range f.PEM {
		for _, k := range p.Keys {
			if k.Private != nil {
				t.Error("facts hold a private key")
			}
		}
	}
}

// TestProblems: each has its parameter, its line and what it does to mail.
func TestProblems(t *testing.T) {
	for _, c := range []struct{ name, main, master, parameter, text string }{
		{"obsolete", "smtpd_use_tls = yes\n", "", "smtpd_use_tls", "since Postfix 2.3"},
		{"misspelt name", "smtp_tls_securty_level = may\n", "", "smtp_tls_securty_level", "does not support this parameter"},
		{"misspelt level", "smtpd_tls_security_level = maye\n", "", "smtpd_tls_security_level", "this terminates smtpd at every start"},
		{"comment after a value", "smtpd_tls_security_level = may # yes\n", "", "smtpd_tls_security_level", "this terminates smtpd at every start"},
		{"misspelt protocol", "smtpd_tls_protocols = >=TLS1.2\n", "", "smtpd_tls_protocols", "TLS is disabled"},
		{"misspelt grade", "smtpd_tls_ciphers = strong\n", "", "smtpd_tls_ciphers", "dropped after STARTTLS"},
		{"in master.cf", "", "26 inet n - n - - smtpd -o smtpd_tls_protocols=TLS1.2\n", "smtpd_tls_protocols", "TLS is disabled"},
		{"broken -o", "", "26 inet n - n - - smtpd -o smtpd_tls_auth_only = yes\n", "smtpd_tls_auth_only", "write -o name=value"},
		{"cache for one service", "", "26 inet n - n - - smtpd -o smtpd_tls_session_cache_database=btree:x\n", "smtpd_tls_session_cache_database", "tlsmgr"},
		{"two ways to name a certificate", "smtpd_tls_chain_files = /c/x\nsmtpd_tls_cert_file = /c/y\n", "", "smtpd_tls_cert_file", "ignored"},
		{"dane without DNSSEC", "smtp_tls_security_level = dane\n", "", "smtp_tls_security_level", "acts as may"},
		{"dane-only without DNSSEC", "smtp_tls_security_level = dane-only\n", "", "smtp_tls_security_level", "defers all mail"},
		{"required certificate at may", "smtpd_tls_security_level = may\nsmtpd_tls_req_ccert = yes\n", "", "smtpd_tls_req_ccert", "ignored"},
		{"password in clear", "", "submission inet n - n - - smtpd\n", "smtpd_tls_security_level", "password without TLS"},
		{"table type that is gone", "smtp_tls_session_cache_database = lmdb:x\n", "", "smtp_tls_session_cache_database", "does not support the map type lmdb"},
		{"CA file missing", "smtp_tls_CAfile = /none.pem\n", "", "smtp_tls_CAfile", "TLS is off for sending"},
		{"CA file missing, receiving", "smtpd_tls_CAfile = /none.pem\n", "", "smtpd_tls_CAfile", "TLS is off for receiving"},
		{"certificate missing", "smtpd_tls_cert_file = /none.pem\n", "", "smtpd_tls_chain_files", "/none.pem does not exist"},
		{"overriding line", "smtpd_tls_loglevel = 1\nsmtpd_tls_loglevel = 0\n", "", "", "overrides smtpd_tls_loglevel of line 4"},
		{"comment after a yes", "smtpd_tls_auth_only = yes # safe\n", "", "smtpd_tls_auth_only", "is not yes or no: this terminates smtpd"},
		{"yes that is none", "smtp_tls_note_starttls_offer = on\n", "", "smtp_tls_note_starttls_offer", "this terminates smtp"},
		{"number that is none", "smtpd_tls_ccert_verifydepth = nine\n", "", "smtpd_tls_ccert_verifydepth", "is not a number"},
		{"time that is none", "smtpd_starttls_timeout = 5 m\n", "", "smtpd_starttls_timeout", "is not a time"},
		{"library", "tls_preempt_cipherlist = on\n", "", "tls_preempt_cipherlist", "this terminates smtpd and smtp"},
		{"by reference", "own_auth = yes # x\nsmtpd_tls_auth_only = $own_auth\n", "", "smtpd_tls_auth_only", "this terminates smtpd"},
		{"in a service of its own", "", "26 inet n - n - - smtpd -o smtpd_tls_auth_only=on\n", "smtpd_tls_auth_only", "this terminates smtpd"},
		{"nobody reads it", "lmtp_tls_note_starttls_offer = on\n", "", "lmtp_tls_note_starttls_offer", "no service reads it"},
		{"lmtp", "lmtp_tls_note_starttls_offer = on\n", "lmtp unix - - n - - lmtp\n", "lmtp_tls_note_starttls_offer", "this terminates lmtp"},
		{"comment after a file", "smtp_tls_CApath = /etc/ssl/certs # all\n", "", "smtp_tls_CApath", "part of the value"},
		{"DNS support", "smtp_dns_support_level = dnsec\n", "", "smtp_dns_support_level", "not one of disabled"},
		{"dane, and no DNS", "smtp_tls_security_level = dane\nsmtp_dns_support_level = dnssec\nsmtp_host_lookup = native\n", "", "smtp_tls_security_level", "smtp_host_lookup"},
		{"dane of one transport", "", "out unix - - n - - smtp -o smtp_tls_security_level=dane\n", "smtp_tls_security_level", "acts as may"},
		{"client certificate twice", "smtp_tls_chain_files = /c/x\nsmtp_tls_cert_file = /c/y\n", "", "smtp_tls_cert_file", "ignored"},
		{"DSA certificate", "smtpd_tls_chain_files = /c/x\nsmtpd_tls_dcert_file = /c/y\n", "", "smtpd_tls_dcert_file", "ignored"},
		{"policy table missing", "smtp_tls_policy_maps = hash:/none\n", "", "smtp_tls_policy_maps", "/none.db does not exist: all mail is deferred"},
		{"SNI table missing", "tls_server_sni_maps = texthash:/none\n", "", "tls_server_sni_maps", "fails with every client"},
		{"table without a type", "relay_clientcerts = /etc/postfix/certs\n", "", "relay_clientcerts", "is not a lookup table"},
		{"table type that is none", "smtp_tls_policy_maps = nosuch:/x\n", "", "smtp_tls_policy_maps", "does not support the map type nosuch"},
		{"swallowed", "smtpd_tls_loglevel = 1\n# TLS\n  smtpd_tls_security_level = may\n", "", "smtpd_tls_security_level", "continues smtpd_tls_loglevel of line 4"},
		{"policy twice", "smtp_tls_policy_maps = static:x\nsmtp_tls_per_site = static:y\n", "", "smtp_tls_per_site", "ignored, since smtp_tls_policy_maps"},
	} {
		f := look(t, lab.Machine(t, "3.7.11", map[string]string{"main.cf": named + c.main, "master.cf": smtp + c.master}))
		found := slices.ContainsFunc(f.Problems, func(p detect.Problem) bool {
			return p.Parameter == c.parameter && strings.Contains(p.Text, c.text) && (p.Origin.Line > 2 || c.name == "password in clear")
		})
		if !found {
			t.Errorf("%s: not among %+v", c.name, f.Problems)
		}
	}
	if f := look(t, lab.Machine(t, "3.7.11", map[string]string{"main.cf": named + "own_tls = x\nrelayhost = $own_tls\nsmtpd_tls_auth_only = YES\nsmtpd_starttls_timeout = 5m\nsmtpd_tls_loglevel = 1\nsmtp_tls_policy_maps = inline:{a=may}, ldap:x\nsmtpd_recipient_restrictions =\n  permit_mynetworks,\n# one\n  reject\n", "master.cf": smtp})); len(f.Problems) != 0 {
		t.Errorf("a sound configuration has problems: %+v", f.Problems)
	}
}

func TestManagers(t *testing.T) {
	for _, c := range []struct {
		name, main, file, want string
		overwrites             bool
	}{
		{"Ansible", "# {{ ansible_managed }}: Ansible managed\n", "", "Ansible", true},
		{"Puppet", "# This file is managed by Puppet.\n", "", "Puppet", true},
		{"YunoHost", "", "/etc/yunohost/installed", "YunoHost", true},
		{"iRedMail", "# iRedMail\n", "", "iRedMail", true},
		{"iRedMail, whose installer writes once", "", "/etc/iredmail-release", "", false},
		{"mailcow", "# Please create a file \"extra.cf\" for persistent overrides\n", "", "mailcow", true},
		{"Mailu", "# Podop configuration\n", "", "Mailu", true},
		{"chatmail", "", "/etc/chatmail-version", "chatmail", true},
		{"SUSE", "", "/etc/sysconfig/mail", "config.postfix", true},
		{"certbot", "smtpd_tls_cert_file = /etc/letsencrypt/live/mx/fullchain.pem\n", "", "certbot", false},
		{"git", "", "/etc/.git/HEAD", "git", false},
	} {
		files := map[string]string{"main.cf": c.main + named, "master.cf": smtp}
		if c.file != "" {
			files[c.file] = "MAIL_CREATE_CONFIG=\"yes\"\n"
		}
		f := look(t, lab.Machine(t, "3.7.11", files))
		if c.want == "" && len(f.Managers) == 0 {
			continue
		}
		if len(f.Managers) != 1 || f.Managers[0].Name != c.want || f.Managers[0].Overwrites != c.overwrites {
			t.Errorf("%s: %+v", c.name, f.Managers)
		}
	}
	// A value is not a mark: only comments say who writes the file.
	if f := look(t, lab.Machine(t, "3.7.11", map[string]string{"main.cf": named + "relayhost = managed by puppet\n", "master.cf": smtp})); len(f.Managers) != 0 {
		t.Errorf("%+v", f.Managers)
	}
}

func TestLog(t *testing.T) {
	for _, c := range []struct{ main, file, path string }{
		{"maillog_file = /var/log/own.log\n", "", "/var/log/own.log"},
		{"", "/var/log/mail.log", "/var/log/mail.log"},
		{"", "/var/log/maillog", "/var/log/maillog"},
		{"", "/run/log/journal/0123/system.journal", ""},
	} {
		files := map[string]string{"main.cf": named + c.main, "master.cf": smtp}
		if c.file != "" {
			files[c.file] = ""
		}
		f := look(t, lab.Machine(t, "3.7.11", files))
		if f.Log.Path != c.path || (c.path == "") != f.Log.Journal {
			t.Errorf("%q %q: %+v", c.main, c.file, f.Log)
		}
	}
}

// TestNoJournal: a folder for a journal that holds none is no log.
func TestNoJournal(t *testing.T) {
	for _, file := range []string{"/var/log/journal/.keep", "/var/log/journal/0123/.keep"} {
		f := look(t, lab.Machine(t, "3.7.11", map[string]string{"main.cf": named, "master.cf": smtp, file: ""}))
		if f.Log.Journal || f.Log.Path != "" || f.Log.Why == "" {
			t.Errorf("%s: %+v", file, f.Log)
		}
	}
}

// TestLogNotOnDisk: a log that goes to a device or a pipe is not read from a file that
// another program writes, nor from the journal.
func TestLogNotOnDisk(t *testing.T) {
	const foreign = "/var/log/mail.log"
	for name, c := range map[string]struct {
		main string
		make func(root string) error
	}{
		"standard output":    {main: "maillog_file = /dev/stdout\n"},
		"by its process":     {main: "maillog_file = /proc/self/fd/1\n"},
		"a pipe":             {main: "maillog_file = /var/log/pipe\n", make: func(root string) error { return syscall.Mkfifo(root+"/var/log/pipe", 0o600) }},
		"a link to a device": {main: "maillog_file = /var/log/out\n", make: func(root string) error { return os.Symlink("/dev/stdout", root+"/var/log/out") }},
		"links to a pipe": {main: "maillog_file = /var/log/a\n", make: func(root string) error {
			return errors.Join(os.Symlink("b", root+"/var/log/a"), os.Symlink("pipe", root+"/var/log/b"), syscall.Mkfifo(root+"/var/log/pipe", 0o600))
		}},
		"the file of syslog is a link": {make: func(root string) error {
			return errors.Join(os.RemoveAll(root+"/run/log/journal"), os.Remove(root+foreign), os.Symlink("/dev/stdout", root+foreign))
		}},
	} {
		m := lab.Machine(t, "3.7.11", map[string]string{"main.cf": named + c.main, "master.cf": smtp, "/run/log/journal/0123/system.journal": "",
			foreign: "Nov 30 09:00:00 mx postfix/smtp[1]: ABC: to=<a@example.net>, relay=mx.example.net[192.0.2.1]:25, status=sent (250 ok)\n"})
		if c.make != nil {
			if err := c.make(m.Root); err != nil {
				t.Fatal(err)
			}
		}
		f := look(t, m)
		if f.Log.Path != "" || f.Log.Journal || !strings.Contains(f.Log.Why, "not on disk") || !strings.Contains(f.Log.Why, "docker logs NAME") || f.Wanted.Seen || f.MailLog().Mark(m).Readable() || f.MailLog().String() != f.Log.Why {
			t.Errorf("%s: %+v, %+v", name, f.Log, f.Wanted)
		}
	}
}

func TestReleases(t *testing.T) {
	for _, v := range lab.Versions {
		f := look(t, lab.Machine(t, v, map[string]string{"main.cf": named, "master.cf": smtp}))
		if f.Config.Version.String() != v || f.OpenSSL == "" || len(f.MapTypes) == 0 || f.Hostname != "mx.example.org" {
			t.Errorf("%s: %+v", v, f.Config.Version)
		}
	}
	f := look(t, lab.Machine(t, "", map[string]string{"main.cf": named, "master.cf": smtp}))
	if f.Config.Version.Known() || f.Hostname != "mx.example.org" || len(f.Unseen) == 0 {
		t.Errorf("without postconf: %+v, unseen %+v", f.Config.Version, f.Unseen)
	}
}

// TestAnyUser: what may not be read is said to be unseen, and is no error.
func TestAnyUser(t *testing.T) {
	ca := lab.NewCA(t)
	leaf := ca.Issue(t, lab.Leaf{})
	m := lab.Machine(t, "3.7.11", map[string]string{"main.cf": named + "smtpd_tls_cert_file = /c/mx.pem\nsmtpd_tls_key_file = /c/mx.key\nsmtp_tls_cert_file = /c/mx.pem\nsmtp_tls_key_file = /c/mx.key\n", "master.cf": smtp, "/c/mx.pem": leaf.Cert, "/c/mx.key": leaf.Key})
	m.User = 65534
	m.Deny = []string{"/c/mx.key", "/etc/postfix/master.cf"}
	f := look(t, m)
	var unseen []string
	for _, u := range f.Unseen {
		if slices.Contains(unseen, u.What) {
			t.Errorf("%s is told twice", u.What)
		}
		unseen = append(unseen, u.What)
	}
	if f.Root || !slices.Contains(unseen, "/c/mx.key") || !slices.Contains(unseen, "the services in master.cf") {
		t.Errorf("root %v, unseen %q", f.Root, unseen)
	}
	if c := f.ServerCertificates(); len(c) != 1 || c[0].KeyMatch != detect.Unknown || c[0].Names[0] != "mx.example.org" {
		t.Errorf("%+v", c)
	}
}

func TestRefusals(t *testing.T) {
	ctx := context.Background()
	m := lab.Machine(t, "3.7.11", map[string]string{"main.cf": named, "master.cf": smtp})
	if _, err := detect.Look(ctx, m, "/nowhere", "", nil); err == nil || hint.Of(err) == "" {
		t.Errorf("no main.cf: %v", err)
	}
	for name, files := range map[string]map[string]string{
		"main.cf":   {"main.cf": named + "nonsense\n", "master.cf": smtp},
		"master.cf": {"main.cf": named, "master.cf": "smtp inet n\n"},
	} {
		if _, err := detect.Look(ctx, lab.Machine(t, "3.7.11", files), "", "", nil); !errors.Is(err, detect.ErrRejected) || !strings.Contains(err.Error(), "line") || hint.Of(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	m.Programs["postconf -c /etc/postfix -xh myhostname mydomain"] = host.Output{Code: 1, Stderr: "postconf: fatal: macro processing error\n"}
	if _, err := detect.Look(ctx, m, "", "", nil); !errors.Is(err, detect.ErrRejected) || !strings.Contains(err.Error(), "macro processing error") {
		t.Errorf("expansion: %v", err)
	}
}

// TestLookChangesNothing: looking gets a machine that cannot be changed, and
// leaves no file behind.
func TestLookChangesNothing(t *testing.T) {
	m := lab.Machine(t, "3.7.11", map[string]string{"main.cf": named, "master.cf": smtp})
	var before, after []string
	walk := func(out *[]string) {
		err := filepath.WalkDir(m.Root, func(p string, d os.DirEntry, err error) error {
			*out = append(*out, p)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	walk(&before)
	var steps []detect.Step
	if _, err := detect.Look(context.Background(), host.ReadOnly{Reader: m}, "", "", func(s detect.Step, _ *detect.Facts) { steps = append(steps, s) }); err != nil {
		t.Fatal(err)
	}
	walk(&after)
	if d := cmp.Diff(before, after); d != "" {
		t.Errorf("%s", d)
	}
	if d := cmp.Diff(detect.Steps, steps); d != "" {
		t.Errorf("steps (-want +got)\n%s", d)
	}
}

// TestNextKey: a key that is kept for later is no certificate that is broken.
func TestNextKey(t *testing.T) {
	c := lab.NewCA(t).Issue(t, lab.Leaf{})
	const dir = "/etc/postseal/certs/mx.example.org/"
	m := lab.Machine(t, lab.Versions[0], map[string]string{
		"main.cf": "myhostname = mx.example.org\n", "master.cf": "", dir + "ecdsa.pem": c.Key + c.Cert, dir + "ecdsa.next.pem": c.Key,
	})
	f, err := detect.Look(context.Background(), m, "/etc/postfix", "/etc/postseal/certs", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Certificates) != 1 || f.Certificates[0].Chain != dir+"ecdsa.pem" || f.Certificates[0].Err != nil {
		t.Errorf("%+v", f.Certificates)
	}
}

// TestCopies: a copy of what a client renews, or one of the generations that
// it keeps, is known as such, and known to be behind once there is a newer one.
func TestCopies(t *testing.T) {
	ca := lab.NewCA(t)
	old := ca.Issue(t, lab.Leaf{NotBefore: time.Now().AddDate(0, 0, -60)})
	sameKey := ca.Certify(t, lab.Leaf{NotBefore: time.Now().AddDate(0, 0, -1)}, old.Signer)
	newKey := ca.Issue(t, lab.Leaf{NotBefore: time.Now().AddDate(0, 0, -1)})
	const live, archive = "/etc/letsencrypt/live/mx/", "/etc/letsencrypt/archive/mx/"
	for _, c := range []struct {
		name, shown   string
		renewed       lab.Issued
		source        string
		outdated, own bool
	}{
		{"a copy", "/c/mx.pem", old, live + "fullchain.pem", false, false},
		{"a copy, then a renewal that keeps the key", "/c/mx.pem", sameKey, live + "fullchain.pem", true, false},
		{"a copy, then a renewal with a new key", "/c/mx.pem", newKey, "", true, false},
		{"a generation", archive + "fullchain1.pem", newKey, live + "fullchain.pem", true, false},
		{"the file that is renewed", live + "fullchain.pem", newKey, "", false, true},
	} {
		files := map[string]string{
			"main.cf": named + "smtpd_tls_cert_file = " + c.shown + "\nsmtpd_tls_key_file = /c/key.pem\n", "master.cf": smtp,
			"/c/key.pem": old.Key, c.shown: old.Cert + ca.IntermediatePEM,
		}
		if c.own {
			files["/c/key.pem"] = c.renewed.Key
		}
		files[live+"fullchain.pem"], files[live+"privkey.pem"] = c.renewed.Cert+ca.IntermediatePEM, c.renewed.Key
		f := look(t, lab.Machine(t, "3.7.11", files))
		shown := f.ServerCertificates()
		if len(shown) != 1 || shown[0].Source != c.source || (shown[0].Owner == "certbot") != (c.source != "" || c.own) {
			t.Errorf("%s: %+v", c.name, shown)
		}
		if got := f.Outdated(); (len(got) == 1) != c.outdated || len(got) == 1 && got[0].Renewed.Chain != live+"fullchain.pem" {
			t.Errorf("%s: outdated %+v", c.name, got)
		}
	}
}

// TestLinks: a link that leads over the path where a client keeps the newest
// follows it; one to a generation stays behind.
func TestLinks(t *testing.T) {
	ca := lab.NewCA(t)
	old, renewed := ca.Issue(t, lab.Leaf{NotBefore: time.Now().AddDate(0, 0, -60)}), ca.Issue(t, lab.Leaf{NotBefore: time.Now().AddDate(0, 0, -1)})
	const live, archive, shown = "/etc/letsencrypt/live/mx/", "/etc/letsencrypt/archive/mx/", "/etc/postfix/ssl/fullchain.pem"
	for name, c := range map[string]struct {
		link, to string // below /
		follows  bool
	}{
		"over the newest":             {shown, "../../.." + live + "fullchain.pem", true},
		"its folder is the link":      {"/etc/postfix/ssl", live, true},
		"over a link to the newest":   {shown, "second.pem", true},
		"to a generation":             {shown, archive + "fullchain1.pem", false},
		"over a link to a generation": {shown, "third.pem", false},
	} {
		m := lab.Machine(t, "3.7.11", map[string]string{
			"main.cf": named + "smtpd_tls_cert_file = " + shown + "\nsmtpd_tls_key_file = /c/key.pem\n", "master.cf": smtp,
			archive + "fullchain1.pem": old.Cert + ca.IntermediatePEM, archive + "fullchain2.pem": renewed.Cert + ca.IntermediatePEM, live + "privkey.pem": renewed.Key,
			"/c/key.pem": map[bool]string{true: renewed.Key, false: old.Key}[c.follows],
		})
		link := func(at, to string) {
			t.Helper()
			if filepath.IsAbs(to) {
				to = m.Root + to
			}
			if err := errors.Join(os.MkdirAll(filepath.Dir(m.Root+at), 0o755), os.Symlink(to, m.Root+at)); err != nil {
				t.Fatal(err)
			}
		}
		link(live+"fullchain.pem", "../../archive/mx/fullchain2.pem")
		link(c.link, c.to)
		if c.link == shown {
			link("/etc/postfix/ssl/second.pem", live+"fullchain.pem")
			link("/etc/postfix/ssl/third.pem", archive+"fullchain1.pem")
		}
		f := look(t, m)
		used := f.ServerCertificates()
		if len(used) != 1 || used[0].Owner != "certbot" || (used[0].Source == "") != c.follows {
			t.Errorf("%s: %+v", name, used)
		}
		if got := f.Outdated(); (len(got) == 0) != c.follows {
			t.Errorf("%s: outdated %+v", name, got)
		}
	}
}

// TestNotOutdated: what lies beside a certificate and has its names is not
// always what comes after it.
func TestNotOutdated(t *testing.T) {
	ca := lab.NewCA(t)
	client := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	days := func(n int) time.Time { return time.Now().AddDate(0, 0, n) }
	renewed := ca.Issue(t, lab.Leaf{NotBefore: days(-1), NotAfter: days(89)})
	const live = "/etc/letsencrypt/live/mx/"
	for name, c := range map[string]struct {
		side string
		leaf lab.Leaf
	}{
		"self-signed, for DANE":          {"smtpd", lab.Leaf{SelfSigned: true, NotBefore: days(-60), NotAfter: days(30)}},
		"a partner knows its key":        {"smtp", lab.Leaf{SelfSigned: true, Usages: client, NotBefore: days(-60), NotAfter: days(30)}},
		"sent with, and of a CA":         {"smtp", lab.Leaf{Usages: client, NotBefore: days(-60), NotAfter: days(30)}},
		"bought, and good for much more": {"smtpd", lab.Leaf{NotBefore: days(-60), NotAfter: days(300)}},
	} {
		shown := ca.Issue(t, c.leaf)
		f := look(t, lab.Machine(t, "3.7.11", map[string]string{
			"main.cf": named + c.side + "_tls_chain_files = /c/mx.pem\n", "master.cf": smtp, "/c/mx.pem": shown.Key + shown.Cert,
			live + "fullchain.pem": renewed.Cert + ca.IntermediatePEM, live + "privkey.pem": renewed.Key,
		}))
		if got := f.Outdated(); len(got) > 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestOwnParameter: a parameter of the administrator's own, whose name only looks
// like one of Postfix's, has no grade of ciphers.
func TestOwnParameter(t *testing.T) {
	for name, want := range map[string]bool{"smtpd_tls_ciphers": true, "lmtp_tls_ciphers": true, "ldap_tls_ciphers": false, "dmt_tls_ciphers": false} {
		f := look(t, lab.Machine(t, "", map[string]string{"main.cf": named + name + " = mine\n", "master.cf": smtp}))
		if got := slices.ContainsFunc(f.Problems, func(p detect.Problem) bool { return p.Kind == detect.TLSOff && p.Parameter == name }); got != want {
			t.Errorf("%s: %+v", name, f.Problems)
		}
	}
}

// TestInside: listeners that only this machine reaches are no mail exchangers,
// unless others' mail must come that way.
func TestInside(t *testing.T) {
	for _, x := range []struct {
		name, main, master string
		want               []detect.Kind
	}{
		{"send only", named + "inet_interfaces = loopback-only\n", smtp, []detect.Kind{detect.Internal}},
		{"a domain of its own for reports", named + "inet_interfaces = localhost\nmydestination = example.org\n", smtp, []detect.Kind{detect.Internal}},
		{"back from a filter", named + "relay_domains = example.org\n", smtp + "127.0.0.1:10026 inet n - n - - smtpd\n", []detect.Kind{detect.Relay, detect.Internal}},
		{"web mailer", named, smtp + "[::1]:587 inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes\n", []detect.Kind{detect.Relay, detect.Internal}},
		{"behind a tunnel", named + "inet_interfaces = 127.0.0.1\nrelay_domains = example.org\n", smtp, []detect.Kind{detect.Relay}},
		{"behind a proxy", named, "127.0.0.1:25 inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy\n", []detect.Kind{detect.Relay}},
		{"two addresses", named + "inet_interfaces = 127.0.0.1, 192.0.2.1\n", smtp, []detect.Kind{detect.Relay}},
	} {
		var got []detect.Kind
		for _, l := range look(t, lab.Machine(t, "3.7.11", map[string]string{"main.cf": x.main, "master.cf": x.master})).Listeners {
			got = append(got, l.Kind)
		}
		if d := cmp.Diff(x.want, got); d != "" {
			t.Errorf("%s (-want +got)\n%s", x.name, d)
		}
	}
}

// TestUse: what a transport is for is told by what names it.
func TestUse(t *testing.T) {
	const more = "out unix - - n - - smtp\n"
	for _, x := range []struct {
		name, main, table string
		want              detect.Use
	}{
		{"nobody names it", "", "", detect.Some},
		{"content filter", "content_filter = out:[127.0.0.1]:10024\n", "", detect.Inside},
		{"content filter elsewhere", "content_filter = out:[192.0.2.1]:10024\n", "", detect.Inside},
		{"FILTER in a table", "smtpd_client_restrictions = check_client_access hash:/etc/postfix/t\n", "192.0.2.1 FILTER out:[127.0.0.1]:10024\n", detect.Inside},
		{"FILTER in main.cf", "smtpd_client_restrictions = check_client_access static:{FILTER out:[127.0.0.1]:10024}\n", "", detect.Inside},
		{"transport table", "transport_maps = hash:/etc/postfix/t\n", "example.org out:[mx.example.org]\n", detect.Some},
		{"transport table to itself", "transport_maps = hash:/etc/postfix/t\n", "example.org out:[127.0.0.1]:2525\n", detect.Inside},
		{"mailboxes", "virtual_transport = out:localhost:24\n", "", detect.Inside},
		{"default", "default_transport = out\n", "", detect.Default},
		{"relayed domains", "relay_transport = out:[192.0.2.1]\n", "", detect.Default},
		{"filter and more", "content_filter = out:[127.0.0.1]:10024\ntransport_maps = hash:/etc/postfix/t\n", "example.org out:[mx.example.org]\n", detect.Some},
	} {
		f := look(t, lab.Machine(t, "3.7.11", map[string]string{"main.cf": named + x.main, "master.cf": smtp + more, "/etc/postfix/t": x.table}))
		if got := f.Transports[1].Use; got != x.want {
			t.Errorf("%s: %s, not %s", x.name, got, x.want)
		}
	}
}

// TestPolicy: a next hop with a port is looked up as it is, a domain by its
// parents too.
func TestPolicy(t *testing.T) {
	f := look(t, lab.Machine(t, "3.7.11", map[string]string{"main.cf": named + "smtp_tls_policy_maps = hash:/etc/postfix/p, ldap:x\n", "master.cf": smtp,
		"/etc/postfix/p": "# x\n[Relay.example.net]:587 secure match=a\n.example.com encrypt\nexample.net may\n"}))
	for hop, want := range map[string]string{"[relay.example.net]:587": "secure", "[relay.example.net]": "", "mail.example.com": "encrypt", "example.com": "", "example.net": "may"} {
		got := ""
		if p := f.PolicyFor(hop); p != nil {
			got = p.Level
		}
		if got != want {
			t.Errorf("%s: %q", hop, got)
		}
	}
	if !slices.Equal(f.UnreadPolicies, []string{"ldap:x"}) {
		t.Error("a table that cannot be read is not told of")
	}
}

// TestHops: every next hop that the configuration and readable tables name is
// known, with its port and its level.
func TestHops(t *testing.T) {
	const more = "out unix - - n - - smtp -o smtp_tls_security_level=verify\n"
	filtered := map[string]string{"filters of a service and of a table": "25 inet n - n - - smtpd -o content_filter=out:[127.0.0.1]:10025\n"}
	for _, x := range []struct{ name, main, table, smtp, out string }{
		{"none", "", "", " 25 may", ""},
		{"relay host", "relayhost = [r.example.net]:465\n", "", "[r.example.net]:465 465 may", ""},
		{"relay hosts, ports by name", "relayhost = [r.example.net]:submissions, r.example.com:submission\n", "", "[r.example.net]:submissions 465 may, r.example.com:submission 587 may", ""},
		{"a port of its own", "smtp_tcp_port = 465\nrelayhost = [2001:db8::1]\n", "", "[2001:db8::1] 465 may", ""},
		{"by sender", "sender_dependent_relayhost_maps = hash:/t\nrelayhost = [r]:587\n", "# x\na@example.org [s]:465\nb@example.org DUNNO\n", "[s]:465 465 may, [r]:587 587 may", ""},
		{"transport by sender", "sender_dependent_default_transport_maps = texthash:/t\nrelayhost = [r]:465\n", "a@example.org out:[s]:smtps\nb@example.org out:\n", "[r]:465 465 may", "[s]:smtps 465 verify, [r]:465 465 verify"},
		{"by recipient", "transport_maps = proxy:hash:/t\nrelayhost = [r]:465\n", "a.example out:[s]\nb.example :[t]:587\nc.example out:\nd.example error:no\ne.example :\n", "[r]:465 465 may, [t]:587 587 may", "[s] 25 verify,  25 verify"},
		{"a table for all mail", "transport_maps = hash:/t\nrelayhost = [r]:25\n", "* out:[s]:465\n", "", "[s]:465 465 verify"},
		{"a table that may be for all mail", "sender_dependent_relayhost_maps = mysql:/t\n", "", "", ""},
		{"static", "transport_maps = static:out:[s]:465\n", "", "", "[s]:465 465 verify"},
		{"default", "default_transport = out:[s]:465\n", "", "", "[s]:465 465 verify"},
		{"filter", "content_filter = out:[127.0.0.1]:10024\n", "", " 25 may", "[127.0.0.1]:10024 10024 verify"},
		{"filters of a service and of a table", "header_checks = regexp:/t\n", "/^X/ FILTER smtp:[127.0.0.1]:10026\n", " 25 may, [127.0.0.1]:10026 10026 may", "[127.0.0.1]:10025 10025 verify"},
		{"when others fail", "smtp_fallback_relay = [f]:465\n", "", " 25 may, [f]:465 465 may", ""},
		{"policy", "smtp_tls_policy_maps = hash:/t\nrelayhost = [r]:465\n", "[r]:465 encrypt\n", "[r]:465 465 encrypt", ""},
		{"obsolete policy", "smtp_tls_per_site = hash:/t\nrelayhost = [r]:465, [s], [u], [v]\n", "[r]:465 NONE\n[s] must\n[u] MUST_NOPEERMATCH\n[v] bad\n", "[r]:465 465 none, [s] 25 verify, [u] 25 encrypt, [v] 25 may", ""},
		{"obsolete policy beside the other", "smtp_tls_policy_maps = static:encrypt\nsmtp_tls_per_site = hash:/t\nrelayhost = [r]\n", "[r] NONE\n", "[r] 25 encrypt", ""},
		{"policies in main.cf", "smtp_tls_policy_maps = inline:{ { [r]:465 = secure match=x, protocols=TLSv1.2 }, [S]=none }\nrelayhost = [r]:465, [s]\n", "", "[r]:465 465 secure, [s] 25 none", ""},
		{"policies in main.cf that are not understood", "smtp_tls_policy_maps = inline:{ [r]:465 }\nrelayhost = [r]:465\n", "", "[r]:465 465 ", ""},
		{"policy elsewhere", "smtp_tls_policy_maps = ldap:x\nrelayhost = [r]:465\n", "", "[r]:465 465 ", ""},
		{"SRV record", "use_srv_lookup = submission\nrelayhost = example.net:submission\n", "", "example.net:submission  may", ""},
	} {
		f := look(t, lab.Machine(t, "3.7.11", map[string]string{"main.cf": named + "smtp_tls_security_level = may\n" + x.main, "master.cf": smtp + more + filtered[x.name], "/t": x.table}))
		for i, want := range []string{x.smtp, x.out} {
			var got []string
			for _, h := range f.Transports[i].Hops {
				got = append(got, h.Name+" "+h.Port+" "+h.Level)
				if h.From == "" {
					t.Errorf("%s: nobody names %q", x.name, h.Name)
				}
			}
			if s := strings.Join(got, ", "); s != want {
				t.Errorf("%s: %s has %q, not %q", x.name, f.Transports[i].Service.ID(), s, want)
			}
		}
	}
}

// TestBlind: Debian copies the folder of CA certificates into the chroot when systemd
// starts Postfix; elsewhere somebody must have done so. Where Postfix runs, what is in
// the chroot counts.
func TestBlind(t *testing.T) {
	for _, x := range []struct {
		name, main string
		files      []string
		want       bool
	}{
		{"nowhere", "", nil, true},
		{"in the chroot", "", []string{"/var/spool/postfix/etc/ssl/certs/0a1b2c3d.0"}, false},
		{"outside alone", "", []string{"/etc/ssl/certs/0a1b2c3d.0", "/etc/ssl/certs/x.pem"}, true},
		{"Debian", "", []string{"/etc/ssl/certs/x.pem", "/usr/lib/postfix/configure-instance.sh"}, false},
		{"Debian, running with an empty chroot", "", []string{"/etc/ssl/certs/x.pem", "/usr/lib/postfix/configure-instance.sh", "/var/spool/postfix/pid/master.pid=  77\n", "/proc/77/stat=77 (master) S 1 " + strings.Repeat("1 ", 30)}, true},
		{"Debian, running with a filled chroot", "", []string{"/var/spool/postfix/etc/ssl/certs/0a1b2c3d.0", "/usr/lib/postfix/configure-instance.sh", "/var/spool/postfix/pid/master.pid=77", "/proc/77/stat=77 (master) S 1 " + strings.Repeat("1 ", 30)}, false},
		{"Debian, a stale pid file", "", []string{"/etc/ssl/certs/x.pem", "/usr/lib/postfix/configure-instance.sh", "/var/spool/postfix/pid/master.pid=77", "/proc/77/stat=77 (bash) S 1 " + strings.Repeat("1 ", 30)}, false},
		{"a file too", "smtp_tls_CAfile = /c.pem\n", nil, false},
	} {
		files := map[string]string{"main.cf": named + "queue_directory = /var/spool/postfix\nsmtp_tls_CApath = /etc/ssl/certs\n" + x.main, "master.cf": "smtp unix - - y - - smtp\n"}
		for _, f := range x.files {
			path, text, _ := strings.Cut(f, "=")
			files[path] = stdcmp.Or(text, "x")
		}
		if got := look(t, lab.Machine(t, "3.7.11", files)).Transports[0].Blind; got != x.want {
			t.Errorf("%s: %v", x.name, got)
		}
	}
}

// TestWhomListenersServe: a port for other machines or behind a filter is none for users,
// and postscreen offers AUTH where the smtpd behind it does.
func TestWhomListenersServe(t *testing.T) {
	const auth = "smtpd_sasl_auth_enable = yes\n"
	for _, x := range []struct {
		name, main, service string
		kind                detect.Kind
		auth                bool
	}{
		{"AUTH from main.cf", auth, "2525 inet n - n - - smtpd", detect.Submission, true},
		{"for the own networks", auth, "590 inet n - n - - smtpd -o smtpd_client_restrictions=permit_mynetworks,reject", detect.Internal, true},
		{"for the own networks, by relay restrictions", auth, "590 inet n - n - - smtpd -o { smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination, reject }", detect.Internal, true},
		{"for the own networks, by a parameter of one's own", auth + "inner = permit_mynetworks, reject\n", "590 inet n - n - - smtpd -o smtpd_client_restrictions=$inner", detect.Internal, true},
		{"for the own networks and users", auth, "588 inet n - n - - smtpd -o smtpd_client_restrictions=permit_mynetworks,permit_sasl_authenticated,reject", detect.Submission, true},
		{"for what a table permits", auth, "588 inet n - n - - smtpd -o { smtpd_client_restrictions = check_client_access hash:/t, reject }", detect.Submission, true},
		{"submission is for users whatever it permits", "", "submission inet n - n - - smtpd -o smtpd_client_restrictions=permit_mynetworks,reject", detect.Submission, false},
		{"port 25 of a private relay", "", "25 inet n - n - - smtpd -o smtpd_client_restrictions=permit_mynetworks,reject", detect.Relay, false},
		{"port 25 behind a proxy", auth, "10025 inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy", detect.Relay, true},
		{"users behind a proxy", auth, "10587 inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy -o smtpd_client_restrictions=permit_sasl_authenticated,reject", detect.Submission, true},
		{"users behind a proxy, by AUTH", "", "10587 inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy -o smtpd_sasl_auth_enable=yes", detect.Submission, true},
		{"back from a filter elsewhere", auth, "10.1.2.3:10025 inet n - n - - smtpd -o content_filter=", detect.Internal, true},
		{"on to a filter", auth, "10.1.2.3:2525 inet n - n - - smtpd -o content_filter=scan:[10.1.2.4]:10024", detect.Submission, true},
		{"postscreen, and AUTH behind it", auth, "25 inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd", detect.Relay, true},
		{"postscreen, and no AUTH behind it", auth, "25 inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd -o smtpd_sasl_auth_enable=no", detect.Relay, false},
		{"postscreen, and AUTH behind it alone", "", "25 inet n - n - 1 postscreen -o smtpd_service_name=mx\nmx pass - - n - - smtpd -o smtpd_sasl_auth_enable=yes", detect.Relay, true},
	} {
		f := look(t, lab.Machine(t, "3.7.11", map[string]string{"main.cf": named + x.main, "master.cf": x.service + "\n"}))
		if l := f.Listeners[0]; l.Kind != x.kind || l.Auth != x.auth {
			t.Errorf("%s: %s, AUTH %v", x.name, l.Kind, l.Auth)
		}
	}
}
