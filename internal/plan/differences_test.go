package plan_test

import (
	"slices"
	"strings"
	"testing"

	"postseal/internal/lab"
	"postseal/internal/plan"
	"postseal/internal/postfix/mastercf"
)

// TestPlaces: a risk names every listener and every route that it touches, with what
// happens there, wherever the cause stands.
func TestPlaces(t *testing.T) {
	const certificate = "myhostname = mx.example.org\nrelay_domains = example.org\nsmtpd_tls_cert_file = /etc/ssl/mail/mx.pem\nsmtpd_tls_key_file = /etc/ssl/mail/mx.key\nsmtpd_tls_loglevel = 1\nsmtp_tls_loglevel = 1\n"
	const may = certificate + "smtpd_tls_security_level = may\nsmtp_tls_security_level = may\n"
	const chains = "myhostname = mx.example.org\nrelay_domains = example.org\nsmtpd_tls_chain_files = /etc/ssl/mail/mx.key, /etc/ssl/mail/mx.pem\nsmtpd_tls_loglevel = 1\nsmtp_tls_loglevel = 1\nsmtpd_tls_security_level = may\nsmtp_tls_security_level = may\n"
	const proxied = stockMaster + "10.0.0.1:587 inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_upstream_proxy_protocol=haproxy\n"
	const partner = "partner unix - - n - - smtp -o smtp_enforce_tls=yes\n"
	for _, c := range []struct {
		name, main, master string
		answers            string
		want               map[string][]string // risks, and what their texts hold
	}{
		{"every listener that loses TLS 1.0", may, stockMaster + "submission inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_security_level=encrypt\n2525 inet n - n - - smtpd\n", "",
			map[string][]string{"drop-tls10": {"smtp/inet, submission/inet, 2525/inet will refuse TLS 1.0 and 1.1: senders without TLS 1.2 or later fall back to cleartext or fail, mail programs without TLS 1.2 or later can no longer send"}, "drop-old-ciphers": {"smtp/inet, submission/inet, 2525/inet"}}},
		{"sending by $name", may + "smtp_tls_protocols = $smtpd_tls_protocols\n", stockMaster, "",
			map[string][]string{"drop-tls10": nil, "drop-old-ciphers": nil, "raise-outbound-floor": {"smtp/unix, relay/unix will no longer offer TLS 1.0 and 1.1: mail to servers that support nothing else leaves in cleartext"}}},
		{"sending by $name of the exclusions", may + "smtp_tls_exclude_ciphers = $smtpd_tls_exclude_ciphers\n", stockMaster, "",
			map[string][]string{"drop-tls10": nil, "drop-old-ciphers": {"smtp/inet", "smtp/unix, relay/unix will no longer offer the cipher suites of kRSA, kDHE, SHA1"}, "raise-outbound-floor": nil}},
		{"an obsolete override keeps what it says", certificate + "smtpd_tls_security_level = may\nsmtp_use_tls = yes\n", stockMaster + partner, "",
			map[string][]string{"drop-tls10": nil, "drop-old-ciphers": nil}},
		{"no certificate where TLS is demanded", "myhostname = mx.example.org\nsmtp_tls_security_level = may\n", stockMaster + "submission inet n - y - - smtpd -o smtpd_tls_security_level=encrypt\n", "cert=none role=router",
			map[string][]string{"no-certificate": {"submission/inet will require TLS"}, "no-inbound-tls": {"smtp/inet"}}},
		{"no certificate on a bare server", "myhostname = mx.example.org\nrelay_domains = example.org\n", stockMaster, "",
			map[string][]string{"no-inbound-tls": {"smtp/inet will accept all mail in cleartext", "postseal cert self-signed"}}},
		{"a filter that a service names", may + "relayhost = [r.example.net]\nsmtp_tls_policy_maps = texthash:/policies\n", strings.Replace(stockMaster, "smtpd\n", "smtpd -o content_filter=smtp:[127.0.0.1]:10024\n", 1), "outbound-level=encrypt",
			map[string][]string{"drop-tls10": nil, "drop-old-ciphers": nil, "raise-outbound-floor": nil, "require-outbound-tls": {"level encrypt for all mail by smtp/unix to [127.0.0.1]:10024"}}},
		{"the server's new certificate as that of a client", chains + "smtp_tls_chain_files = $smtpd_tls_chain_files\n", stockMaster, "cert=/etc/ssl/mail/ec.pem client-cert=keep",
			map[string][]string{"drop-tls10": nil, "drop-old-ciphers": nil, "drop-rsa": nil, "change-client-certificate": {"smtp/unix, relay/unix will present another client certificate"}}},
		{"the same by a parameter of one's own", chains + "own = ${smtpd_tls_chain_files}\nsmtp_tls_chain_files = $own\n", stockMaster, "cert=/etc/ssl/mail/ec.pem client-cert=keep",
			map[string][]string{"drop-tls10": nil, "drop-old-ciphers": nil, "drop-rsa": nil, "change-client-certificate": {"smtp/unix, relay/unix will present another client certificate"}}},
		{"the server's certificate stays that of a client", chains + "smtp_tls_chain_files = $smtpd_tls_chain_files\n", stockMaster, "",
			map[string][]string{"drop-tls10": nil, "drop-old-ciphers": nil}},
		{"no longer the server's certificate", chains + "smtp_tls_chain_files = $smtpd_tls_chain_files\n", stockMaster, "client-cert=none",
			map[string][]string{"drop-tls10": nil, "drop-old-ciphers": nil, "drop-client-certificate": {"smtp/unix, relay/unix"}}},
		{"a service refers to chain files that come", may, stockMaster + "partner unix - - n - - smtp -o smtp_tls_chain_files=$smtpd_tls_chain_files\n", "",
			map[string][]string{"drop-tls10": nil, "drop-old-ciphers": nil, "change-client-certificate": {"partner/unix presents no client certificate now and will present that of the server"}}},
		{"a reference to chain files that come", may + "smtp_tls_chain_files = $smtpd_tls_chain_files\n", stockMaster, "",
			map[string][]string{"drop-tls10": nil, "drop-old-ciphers": nil}},
		{"a reference to the certificate that moves", may + "smtp_tls_cert_file = $smtpd_tls_cert_file\nsmtp_tls_key_file = $smtpd_tls_key_file\n", stockMaster, "",
			map[string][]string{"drop-tls10": nil, "drop-old-ciphers": nil}},
		{"users behind a proxy", may + "smtpd_sasl_auth_enable = no\n", proxied, "submission=encrypt auth-tls-only=yes",
			map[string][]string{"drop-tls10": nil, "drop-old-ciphers": nil, "require-submission-tls": {"587/inet will require TLS: mail clients that are set to no encryption can no longer send. A proxy is in front: if it terminates TLS, nothing that comes through it is accepted any more"}}},
		{"users behind a proxy, as suggested", may, proxied, "", map[string][]string{"drop-tls10": nil, "drop-old-ciphers": nil}},
		{"users behind a proxy, and others", may, proxied + "submission inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes\n", "", map[string][]string{"drop-tls10": nil, "drop-old-ciphers": nil,
			"require-submission-tls": {"submission/inet will require TLS: mail clients that are set to no encryption can no longer send", "587/inet will require TLS: mail clients that are set to no encryption can no longer send. A proxy"}}},
		{"an obsolete policy goes", may + "relayhost = [r.example.net]\nsmtp_tls_per_site = texthash:/per-site\n", stockMaster, "outbound-level=encrypt",
			map[string][]string{"drop-tls10": nil, "drop-old-ciphers": nil, "require-outbound-tls": {"level encrypt for all mail by smtp/unix to [r.example.net]"}, "drop-policies": {"[r.example.net] (none) is sent at TLS level encrypt"}}},
		{"an obsolete policy that protects", may + "smtp_tls_per_site = texthash:/sites\n", stockMaster, "",
			map[string][]string{"drop-tls10": nil, "drop-old-ciphers": nil, "lower-outbound-level": {"smtp/unix to partner.example"}, "drop-policies": {"mail to partner.example (encrypt) is sent at TLS level may"}}},
		{"an obsolete policy that changes nothing", may + "smtp_tls_per_site = static:MAY\n", stockMaster, "", map[string][]string{"drop-tls10": nil, "drop-old-ciphers": nil}},
		{"an obsolete policy that cannot be read", may + "smtp_tls_per_site = mysql:/etc/postfix/sites\n", stockMaster, "", map[string][]string{"drop-tls10": nil, "drop-old-ciphers": nil, "drop-policies": {"not all of mysql:/etc/postfix/sites can be read"}}},
		{"a domain of a policy table", may + "smtp_tls_policy_maps = texthash:/domains\n", stockMaster, "",
			map[string][]string{"drop-tls10": nil, "drop-old-ciphers": nil, "raise-outbound-floor": {"smtp/unix to old.example will no longer offer TLS 1.0 and 1.1: mail to servers that support nothing else waits"}}},
		{"no RSA certificate, and none was shown", strings.Replace(may, "smtpd_tls_security_level = may", "smtpd_use_tls = no", 1), stockMaster, "cert=/etc/ssl/mail/ec.pem", nil},
		{"a private CA, and all public ones", certificate + "smtpd_tls_security_level = may\nsmtp_tls_security_level = secure\nsmtp_tls_CAfile = /etc/ssl/mail/own-ca.pem\n", stockMaster, "ca-file=/etc/ssl/certs/ca-certificates.crt",
			map[string][]string{"drop-tls10": nil, "drop-old-ciphers": nil, "wider-trust": {"/etc/ssl/mail/own-ca.pem now and will check them against /etc/ssl/certs/ca-certificates.crt"}, "drop-trust": {"smtp/unix, relay/unix will no longer trust the CAs of /etc/ssl/mail/own-ca.pem: mail to servers with certificates of those waits"}}},
		{"the folder of the distribution alone, and its file", certificate + "smtpd_tls_security_level = may\nsmtp_tls_security_level = secure\nsmtp_tls_CApath = /etc/ssl/certs\n", stockMaster, "ca-file=/etc/ssl/certs/ca-certificates.crt",
			map[string][]string{"drop-tls10": nil, "drop-old-ciphers": nil}},
		{"the folder of the distribution, and its file", certificate + "smtpd_tls_security_level = may\nsmtp_tls_security_level = secure\nsmtp_tls_CApath = /etc/ssl/certs\nsmtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt\n", stockMaster, "ca-file=/etc/ssl/certs/ca-certificates.crt",
			map[string][]string{"drop-tls10": nil, "drop-old-ciphers": nil}},
	} {
		files := tree(t, c.main, c.master)
		files["/etc/ssl/mail/own-ca.pem"], files["/policies"] = ca.IntermediatePEM, "[r.example.net] encrypt\n"
		files["/domains"] = "old.example encrypt\nnew.example encrypt protocols=>=TLSv1.2\n"
		files["/sites"] = "partner.example MUST_NOPEERMATCH\nother.example MAY\n"
		files["/per-site"] = "[r.example.net] NONE\n"
		p, _ := build(t, lab.Machine(t, "3.7.11", files), strings.Fields(c.answers)...)
		for _, r := range p.Risks {
			texts, ok := c.want[r.Name]
			if !ok {
				t.Errorf("%s: %s is named: %s", c.name, r.Name, r.Text)
			}
			for _, text := range texts {
				if !strings.Contains(r.Text, text) {
					t.Errorf("%s: %s lacks %q: %s", c.name, r.Name, text, r.Text)
				}
			}
		}
		for name := range c.want {
			if !slices.ContainsFunc(p.Risks, func(r plan.Risk) bool { return r.Name == name }) {
				t.Errorf("%s: %s is not named: %+v", c.name, name, p.Risks)
			}
		}
	}
}

// TestTranslate: what a service said by replaced parameters it says after the plan too,
// though main.cf has a level then.
func TestTranslate(t *testing.T) {
	main := "myhostname = mx.example.org\nrelay_domains = example.org\nsmtpd_use_tls = yes\nsmtpd_tls_cert_file = /etc/ssl/mail/mx.pem\nsmtpd_tls_key_file = /etc/ssl/mail/mx.key\nsmtp_use_tls = yes\n"
	master := stockMaster + "partner unix - - n - - smtp -o smtp_enforce_tls=yes\nloose unix - - n - - smtp -o smtp_enforce_tls=yes -o smtp_tls_enforce_peername=no\n" +
		"clear unix - - n - - smtp -o smtp_use_tls=no\n2525 inet n - n - - smtpd -o smtpd_enforce_tls=yes\n"
	p, _ := build(t, lab.Machine(t, "3.7.11", tree(t, main, master)))
	got := mastercf.Parse(after(p, plan.MasterCF))
	for service, want := range map[string]string{"partner/unix": "verify", "loose/unix": "encrypt", "clear/unix": "none", "2525/inet": "encrypt"} {
		name, typ, _ := strings.Cut(service, "/")
		s, _ := got.Find(name, typ)
		parameter := "smtp_tls_security_level"
		if typ == "inet" {
			parameter = "smtpd_tls_security_level"
		}
		if o, _ := s.Override(parameter); o.Value != want || slices.ContainsFunc(s.Options, func(o mastercf.Option) bool { return o.Name != parameter }) {
			t.Errorf("%s: %+v", service, s.Options)
		}
	}
}

// TestDemandInMaster: TLS that port 25 demands by an override stays demanded, and leaves
// where the answer says so; main.cf stays as it is for the other services.
func TestDemandInMaster(t *testing.T) {
	main := "myhostname = mx.example.org\nrelay_domains = example.org\nsmtpd_tls_security_level = may\nsmtpd_tls_cert_file = /etc/ssl/mail/mx.pem\nsmtpd_tls_key_file = /etc/ssl/mail/mx.key\n"
	master := strings.Replace(stockMaster, "smtpd\n", "smtpd -o smtpd_tls_security_level=encrypt\n", 1) + "2525 inet n - n - - smtpd\n"
	for answer, demanded := range map[string]bool{"": true, "inbound-level=may": false} {
		p, _ := build(t, lab.Machine(t, "3.7.11", tree(t, main, master)), strings.Fields(answer)...)
		text := after(p, plan.MasterCF)
		if text == "" {
			text = master
		}
		if strings.Contains(text, "smtpd_tls_security_level=encrypt") != demanded || !strings.Contains(after(p, plan.MainCF), "smtpd_tls_security_level = may\n") {
			t.Errorf("%q: %s", answer, text)
		}
		if named := slices.ContainsFunc(p.Risks, func(r plan.Risk) bool { return r.Name == plan.RiskLowerInbound }); named == demanded {
			t.Errorf("%q: %+v", answer, p.Risks)
		}
	}
}

// TestScreened: what a postscreen hands mail to is no service for users, whatever main.cf
// says about AUTH: senders without TLS go on being taken there.
func TestScreened(t *testing.T) {
	main := "myhostname = mx.example.org\nrelay_domains = example.org\nsmtpd_sasl_auth_enable = yes\nsmtpd_tls_security_level = may\nsmtpd_tls_cert_file = /etc/ssl/mail/mx.pem\nsmtpd_tls_key_file = /etc/ssl/mail/mx.key\n"
	master := "smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\ntlsproxy unix - - n - 0 tlsproxy\nsmtp unix - - n - - smtp\nsubmission inet n - n - - smtpd -o smtpd_tls_security_level=may\n"
	p, _ := build(t, lab.Machine(t, "3.7.11", tree(t, main, master)), "role=mailserver")
	got := mastercf.Parse(after(p, plan.MasterCF))
	if s, _ := got.Find("smtpd", "pass"); len(s.Options) > 0 {
		t.Errorf("%+v", s.Options)
	}
	if s, _ := got.Find("submission", "inet"); len(s.Options) != 1 || s.Options[0].Value != "encrypt" {
		t.Errorf("%+v", s.Options)
	}
}

// TestGapIsClosed: a protocol list for sending that leaves a version out goes on to the
// newest one, from the same oldest.
func TestGapIsClosed(t *testing.T) {
	main := "myhostname = mx.example.org\nrelay_domains = example.org\nsmtp_tls_security_level = may\nsmtp_tls_protocols = "
	for list, want := range map[string]string{"!SSLv2, !SSLv3, !TLSv1.1": "", "!TLSv1, !TLSv1.2": "smtp_tls_protocols = >=TLSv1.1\n", ">=TLSv1.2": "smtp_tls_protocols = >=TLSv1.2\n"} {
		p, _ := build(t, lab.Machine(t, "3.7.11", tree(t, main+list+"\n", stockMaster)), "cert=/etc/ssl/mail/ec.pem")
		got := ""
		for line := range strings.Lines(after(p, plan.MainCF)) {
			if strings.HasPrefix(line, "smtp_tls_protocols") {
				got += line
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", list, got, want)
		}
		if slices.ContainsFunc(p.Risks, func(r plan.Risk) bool { return r.Name == plan.RiskLowerOutboundFloor }) {
			t.Errorf("%s: %+v", list, p.Risks)
		}
	}
}
