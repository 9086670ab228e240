package plan_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postseal/certs"
	"postseal/internal/ask"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/interview"
	"postseal/internal/lab"
	"postseal/internal/plan"
	"postseal/internal/postfix"
	"postseal/internal/postfix/maincf"
)

// ageing is a main.cf as they have grown over the years.
const ageing = `# See /usr/share/postfix/main.cf.dist for a commented version
compatibility_level = 2
myhostname = mx.example.org
mydestination = localhost
relay_domains = example.org,
	example.net
relayhost =
# TLS parameters
smtpd_use_tls = yes
smtpd_tls_cert_file = /etc/ssl/mail/mx.pem
smtpd_tls_key_file = /etc/ssl/mail/mx.key
smtpd_tls_dh1024_param_file = /etc/postfix/dh.pem
smtpd_tls_session_cache_database = btree:${data_directory}/smtpd_scache
smtp_tls_session_cache_database = btree:${data_directory}/smtp_scache
smtp_use_tls = yes
mynetworks = 127.0.0.0/8
`

const stockMaster = `smtp      inet  n       -       y       -       -       smtpd
smtp      unix  -       -       y       -       -       smtp
relay     unix  -       -       y       -       -       smtp
        -o syslog_name=postfix/$service_name
`

const mailserverMaster = stockMaster + `submission inet n       -       y       -       -       smtpd
  -o syslog_name=postfix/submission
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_tls_security_level=may
`

var (
	ca     *lab.CA
	issued map[string]lab.Issued
)

// tree is a fake machine's files with certificates for mx.example.org.
func tree(t testing.TB, main, master string) map[string]string {
	t.Helper()
	if ca == nil {
		ca = lab.NewCA(t)
		issued = map[string]lab.Issued{"ec": ca.Issue(t, lab.Leaf{}), "rsa": ca.Issue(t, lab.Leaf{RSA: true}), "self": ca.Issue(t, lab.Leaf{SelfSigned: true}), "other": ca.Issue(t, lab.Leaf{Names: []string{"other.example.net"}})}
	}
	return map[string]string{
		"main.cf": main, "master.cf": master,
		"/etc/ssl/mail/mx.pem":               issued["rsa"].Cert + ca.IntermediatePEM,
		"/etc/ssl/mail/mx.key":               issued["rsa"].Key,
		"/etc/ssl/mail/ec.pem":               ca.IntermediatePEM + issued["ec"].Cert + issued["ec"].Key,
		"/etc/ssl/mail/self.pem":             issued["self"].Cert + issued["self"].Key,
		"/etc/ssl/certs/ca-certificates.crt": ca.RootPEM,
		"/etc/resolv.conf":                   "nameserver 127.0.0.1\n",
		"/var/spool/postfix/etc/resolv.conf": "nameserver 127.0.0.1\n",
	}
}

var options = plan.Options{CertsDir: "/etc/postseal/certs", EtcDir: "/etc/postseal", AnswersPath: "/etc/postseal/postseal.toml", AnswersNew: true}

// look detects, and takes answers as flags, "key=value".
func look(t testing.TB, m *host.Fake, answers ...string) (*detect.Facts, *ask.Answers) {
	t.Helper()
	f, err := detect.Look(context.Background(), m, "/etc/postfix", options.CertsDir, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := &ask.Answers{}
	given := map[string][]string{}
	for _, x := range answers {
		k, v, _ := strings.Cut(x, "=")
		given[k] = append(given[k], v)
	}
	for k, v := range given {
		q, ok := interview.All.Lookup(k)
		if !ok {
			t.Fatalf("no question %s", k)
		}
		if err := q.Set(a, v, ask.Flag); err != nil {
			t.Fatal(err)
		}
	}
	f.Inspect(m, interview.All.Reads(f, a))
	return f, a
}

func build(t testing.TB, m *host.Fake, answers ...string) (*plan.Plan, *detect.Facts) {
	t.Helper()
	f, a := look(t, m, answers...)
	if err := interview.All.Verify(f, a); err != nil {
		t.Fatal(err)
	}
	p, err := plan.Build(f, a, options)
	if err != nil {
		t.Fatal(err)
	}
	return p, f
}

func after(p *plan.Plan, k plan.Kind) string {
	f, _ := p.File(k)
	return f.After
}

var update = flag.Bool("update", false, "write the golden files")

// golden compares text with a file below testdata.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), text); d != "" {
		t.Errorf("%s (-want +got)\n%s", name, d)
	}
}

// TestGolden keeps whole configurations, to be read by eye: each release and
// profile with what it does to an old mail server.
func TestGolden(t *testing.T) {
	for _, v := range lab.Versions {
		for _, profile := range []string{"intermediate", "modern", "compatible"} {
			p, _ := build(t, lab.Machine(t, v, tree(t, ageing, mailserverMaster)), "profile="+profile)
			name := v[:strings.LastIndexByte(v, '.')] + "-" + profile
			master := after(p, plan.MasterCF)
			if master == "" {
				master = "(unchanged)\n"
			}
			golden(t, name, after(p, plan.MainCF)+"\nmaster.cf:\n"+master)
		}
	}
}

// TestEveryRelease: no release gets a parameter or a form of value that it
// does not know. The table of parameters was compared with the sources.
func TestEveryRelease(t *testing.T) {
	for minor := 4; minor <= 12; minor++ {
		v := postfix.V(3, minor, 0)
		for _, profile := range []string{"intermediate", "modern", "compatible"} {
			f, a := look(t, lab.Machine(t, "", tree(t, ageing, mailserverMaster)), "profile="+profile, "outbound-level=dane")
			f.Config.Version, f.OpenSSL = v, "OpenSSL 3.0.0"
			p, err := plan.Build(f, a, options)
			if err != nil {
				t.Fatal(err)
			}
			entries := maincf.Parse(after(p, plan.MainCF)).Entries()
			set := map[string]string{}
			for _, e := range entries {
				set[e.Name] = e.Value
				known, ok := postfix.Lookup(e.Name)
				if ok && !known.KnownIn(v) {
					t.Errorf("3.%d %s: %s is not known there", minor, profile, e.Name)
				}
				if strings.Contains(e.Name, "tls") && !ok {
					t.Errorf("3.%d %s: %s is in no table", minor, profile, e.Name)
				}
				if strings.HasSuffix(e.Name, "_protocols") {
					if _, err := postfix.ParseFloor(e.Value, v); err != nil || strings.Contains(e.Value, ">=") != (minor >= 6) {
						t.Errorf("3.%d %s: %s = %s: %v", minor, profile, e.Name, e.Value, err)
					}
				}
			}
			if set["smtpd_tls_chain_files"] == "" || set["smtpd_tls_security_level"] != "may" {
				t.Errorf("3.%d %s: no TLS", minor, profile)
			}
		}
	}
}

// TestRisks: what weakens, or can stop mail, has a name.
func TestRisks(t *testing.T) {
	const tls = "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = /etc/ssl/mail/mx.pem\nsmtpd_tls_key_file = /etc/ssl/mail/mx.key\n" +
		"smtp_tls_security_level = may\nsmtpd_tls_protocols = >=TLSv1.2\nsmtpd_tls_loglevel = 1\nsmtp_tls_loglevel = 1\nsmtpd_tls_exclude_ciphers = kRSA, kDHE, SHA1\n"
	base := "myhostname = mx.example.org\nrelay_domains = example.org\n" + tls
	for _, c := range []struct {
		name, main, master string
		answers            string
		want               string // the names of the risks
	}{
		{"all well", base, stockMaster, "", ""},
		{"older TLS no longer", strings.ReplaceAll(strings.Replace(base, "kRSA, kDHE, SHA1", "aNULL", 1), "1.2", "1"), stockMaster, "", "drop-old-ciphers drop-tls10"},
		{"older TLS no longer, for which there was no suite", strings.ReplaceAll(base, "1.2", "1"), stockMaster, "", ""},
		{"older TLS again", base, stockMaster, "min-protocol=TLSv1", "allow-excluded-ciphers lower-inbound-floor"},
		{"newest TLS alone", base, stockMaster, "min-protocol=TLSv1.3", "tls13-only"},
		{"TLS demanded on port 25", base, stockMaster, "inbound-level=encrypt", "require-inbound-tls"},
		{"and no longer", strings.Replace(base, "= may", "= encrypt", 1), stockMaster, "inbound-level=may", "lower-inbound-level"},
		{"users without TLS", base, mailserverMaster, "min-protocol=TLSv1.2", "require-submission-tls"},
		{"passwords in clear", base, mailserverMaster + "  -o smtpd_tls_auth_only=yes\n", "auth-tls-only=no submission=keep", ""},
		{"passwords in clear", base + "smtpd_sasl_auth_enable = yes\nsmtpd_tls_auth_only = yes\n", stockMaster, "auth-tls-only=no", "password-in-clear"},
		{"clear text never", base, stockMaster, "outbound-level=encrypt", "require-outbound-tls"},
		{"clear text never, and nothing goes out now", base + "smtp_tls_wrappermode = yes\nrelayhost = [relay.example.net]:465\n", stockMaster, "", ""},
		{"and allowed again", strings.ReplaceAll(base, "smtp_tls_security_level = may", "smtp_tls_security_level = encrypt"), stockMaster, "outbound-level=may", "lower-outbound-level"},
		{"nobody trusted", base + "smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt\n", stockMaster, "ca-file=none", "no-ca-file"},
		{"client certificate goes", base + "smtp_tls_chain_files = /etc/ssl/mail/mx.key, /etc/ssl/mail/mx.pem\n", stockMaster, "client-cert=none", "drop-client-certificate"},
		{"certificate goes", base, stockMaster, "cert=none", "drop-certificate lower-inbound-level"},
		{"RSA goes", base, stockMaster, "cert=/etc/ssl/mail/ec.pem", "drop-rsa"},
		{"RSA may go", strings.Replace(base, "smtpd_tls_cert_file", "smtpd_tls_chain_files = /n/rsa.key, /n/rsa.pem, /n/ec.key, /n/ec.pem\nsmtpd_tls_cert_file", 1), stockMaster, "cert=/etc/ssl/mail/ec.pem", "drop-rsa"},
		{"RSA stays", strings.Replace(base, "smtpd_tls_cert_file", "smtpd_tls_chain_files = /n/rsa.key, /n/rsa.pem, /n/ec.key, /n/ec.pem\nsmtpd_tls_cert_file", 1), stockMaster, "cert=/etc/ssl/mail/mx.pem", ""},
		{"another takes the place of one that is not there", strings.ReplaceAll(base, "/mail/mx.", "/mail/none."), stockMaster, "cert=/etc/ssl/mail/ec.pem", ""},
		{"self-signed", base, stockMaster, "cert=/etc/ssl/mail/self.pem", "drop-rsa self-signed-certificate"},
		{"other name", base, stockMaster, "cert=/etc/ssl/mail/other.pem", "drop-rsa wrong-name-certificate"},
		{"no intermediate", base, stockMaster, "cert=/etc/ssl/mail/leaf.pem", "drop-rsa incomplete-chain"},
		{"excluded before", strings.Replace(base, "SHA1", "SHA1, SHA256", 1), stockMaster, "", "allow-excluded-ciphers"},
		{"and by a word of the administrator", strings.Replace(base, "SHA1", "SHA1, AES128", 1), stockMaster, "", ""},
		{"old suites no longer", strings.Replace(base, "kRSA, kDHE, SHA1", "aNULL", 1), stockMaster, "", "drop-old-ciphers"},
		{"passwords no longer in clear", base + "smtpd_sasl_auth_enable = yes\n", stockMaster, "auth-tls-only=yes", "require-auth-tls"},
		{"sending to newer servers alone", strings.ReplaceAll(base, "smtp_tls_security_level = may", "smtp_tls_security_level = encrypt\nsmtp_tls_mandatory_protocols = >=TLSv1"), stockMaster, "", "raise-outbound-floor"},
		{"in capitals, as Postfix takes it", strings.ReplaceAll(base, "= may", "= MAY"), stockMaster, "", ""},
		{"demanded in capitals, and kept", strings.Replace(base, "smtp_tls_security_level = may", "smtp_tls_security_level = Encrypt", 1), stockMaster, "", "raise-outbound-floor"},
		{"Ansible", "# Ansible managed\n" + base, stockMaster, "", "managed-elsewhere"},
		{"no log", base, stockMaster, "log-level=0", "no-tls-log"},
	} {
		files := tree(t, c.main, c.master)
		files["/etc/ssl/mail/other.pem"] = issued["other"].Key + issued["other"].Cert + ca.IntermediatePEM
		files["/etc/ssl/mail/leaf.pem"] = issued["ec"].Key + issued["ec"].Cert
		p, _ := build(t, lab.Machine(t, "3.7.11", files), strings.Fields(c.answers)...)
		var got []string
		for _, r := range p.Risks {
			got = append(got, r.Name)
			if !slices.Contains(plan.RiskNames, r.Name) || r.Text == "" {
				t.Errorf("%s: %+v", c.name, r)
			}
		}
		slices.Sort(got)
		if d := strings.Join(got, " "); d != c.want {
			t.Errorf("%s: %q, want %q\n%+v", c.name, d, c.want, p.Risks)
		}
		if rest := p.Unaccepted(got); len(rest) != 0 {
			t.Errorf("%s: %v not accepted by name", c.name, rest)
		}
	}
}

// TestBreakDANE: a certificate that no signed TLSA record names is a risk by
// name, and one that a record names is none; unsigned records are nobody's.
func TestBreakDANE(t *testing.T) {
	_ = tree(t, ageing, stockMaster) // makes the certificates
	present, coming := certs.NewTLSA(issued["rsa"].Leaf).String(), certs.NewTLSA(issued["ec"].Leaf).String()
	for name, c := range map[string]struct {
		records []string
		signed  bool
		blind   bool // the resolver does not validate
		want    string
	}{
		"the present key":             {[]string{present}, true, false, plan.RiskBreakDANE},
		"both":                        {[]string{present, coming}, true, false, ""},
		"unsigned":                    {[]string{present}, false, false, ""},
		"none":                        {nil, true, false, ""},
		"seen blindly":                {[]string{present}, false, true, plan.RiskUnprovedDANE},
		"seen blindly, both":          {[]string{present, coming}, false, true, ""},
		"seen blindly, none":          {nil, false, true, ""},
		"seen blindly, with a claim ": {[]string{present}, true, true, plan.RiskUnprovedDANE},
	} {
		m := lab.Machine(t, "3.7.11", tree(t, ageing, stockMaster))
		m.DNS[". NS"] = host.Answer{RCode: "NOERROR", AD: true, Records: []string{"a."}}
		if c.blind {
			m.DNS[". NS"] = host.Answer{RCode: "NOERROR", Records: []string{"a."}}
		}
		m.DNS["_25._tcp.mx.example.org TLSA"] = host.Answer{RCode: "NOERROR", AD: c.signed, Records: c.records}
		p, f := build(t, m, "cert=/etc/ssl/mail/ec.pem")
		if (f.Resolver.Validates == detect.Yes) == c.blind {
			t.Fatalf("%+v", f.Resolver)
		}
		got := ""
		for _, r := range p.Risks {
			if r.Name == plan.RiskBreakDANE || r.Name == plan.RiskUnprovedDANE {
				got += r.Name
			}
		}
		if got != c.want {
			t.Errorf("%s: %+v", name, p.Risks)
		}
	}
}

// TestDANEUnknown: what could not be looked up is not absent, records where an alias
// leads count, and an issuer's record needs a name.
func TestDANEUnknown(t *testing.T) {
	_ = tree(t, ageing, stockMaster) // makes the certificates
	present, coming := certs.NewTLSA(issued["rsa"].Leaf).String(), certs.NewTLSA(issued["ec"].Leaf).String()
	const tlsa = "_25._tcp.mx.example.org TLSA"
	for name, c := range map[string]struct {
		dns  map[string]host.Answer
		want string
		says string
	}{
		"SERVFAIL":      {map[string]host.Answer{tlsa: {RCode: "SERVFAIL"}}, plan.RiskUnprovedDANE, "SERVFAIL"},
		"not reached":   {map[string]host.Answer{tlsa: {RCode: "REFUSED"}}, plan.RiskUnprovedDANE, "REFUSED"},
		"proved absent": {map[string]host.Answer{tlsa: {RCode: "NXDOMAIN", AD: true}}, "", ""},
		"at the alias": {map[string]host.Answer{
			"mx.example.org A":              {RCode: "NOERROR", AD: true, Alias: "srv.example.org", Records: []string{"192.0.2.25"}},
			"_25._tcp.srv.example.org TLSA": {RCode: "NOERROR", AD: true, Records: []string{present}},
			tlsa:                            {RCode: "NOERROR", AD: true, Records: []string{coming}},
		}, plan.RiskBreakDANE, "srv.example.org"},
		"of no use":     {map[string]host.Answer{tlsa: {RCode: "NOERROR", AD: true, Records: []string{"3 1 1 00", "1" + coming[1:]}}}, "", ""},
		"of the issuer": {map[string]host.Answer{tlsa: {RCode: "NOERROR", AD: true, Records: []string{"2" + coming[1:]}}}, plan.RiskBreakDANE, "no TLSA record"},
	} {
		m := lab.Machine(t, "3.7.11", tree(t, ageing, stockMaster))
		m.DNS[". NS"] = host.Answer{RCode: "NOERROR", AD: true, Records: []string{"a."}}
		for q, a := range c.dns {
			m.DNS[q] = a
		}
		p, _ := build(t, m, "cert=/etc/ssl/mail/ec.pem")
		got := ""
		for _, r := range p.Risks {
			if r.Name == plan.RiskBreakDANE || r.Name == plan.RiskUnprovedDANE || r.Name == plan.RiskDANEGap {
				got += r.Name
				if !strings.Contains(r.Text, c.says) {
					t.Errorf("%s: %s", name, r.Text)
				}
			}
		}
		if got != c.want {
			t.Errorf("%s: %q: %+v", name, got, p.Risks)
		}
	}
}

// TestHandEdits: a line that someone wrote into the block, and that would go,
// is named.
func TestHandEdits(t *testing.T) {
	files := tree(t, ageing, stockMaster)
	live := "/etc/letsencrypt/live/mx.example.org/"
	files[live+"fullchain.pem"], files[live+"privkey.pem"] = issued["ec"].Cert+ca.IntermediatePEM, issued["ec"].Key
	files["main.cf"] = strings.NewReplacer("/etc/ssl/mail/mx.pem", live+"fullchain.pem", "/etc/ssl/mail/mx.key", live+"privkey.pem").Replace(ageing)
	first, _ := build(t, lab.Machine(t, "3.7.11", files))
	main := strings.Replace(after(first, plan.MainCF), "smtpd_tls_loglevel = 1\n", "smtpd_tls_loglevel = 1\nsmtpd_tls_ask_ccert = yes\n", 1)
	main = strings.Replace(main, "smtpd_tls_received_header = yes\n", "smtpd_tls_received_header = no\n", 1)
	files["main.cf"] = main
	f, a := look(t, lab.Machine(t, "3.7.11", files))
	f.Last = &detect.Last{ID: "1", Block: first.Block}
	for k, v := range interview.FromBlock(map[string]string{"smtpd_tls_received_header": "no"}, f.Config.Version) {
		q, _ := interview.All.Lookup(k)
		if err := q.Set(a, []string{v}, ask.Edited); err != nil {
			t.Fatal(err)
		}
	}
	p, err := plan.Build(f, a, options)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Risks) != 1 || p.Risks[0].Name != plan.RiskReplaceHandEdits || !strings.Contains(p.Risks[0].Text, "smtpd_tls_ask_ccert = yes") {
		t.Errorf("%+v", p.Risks)
	}
	// The value that a question is about has become the answer, and stays.
	if strings.Contains(p.Risks[0].Text, "received_header") || !strings.Contains(after(p, plan.MainCF), "\nsmtpd_tls_loglevel = 1\n") {
		t.Errorf("%+v", p.Risks)
	}
}

// TestEveryChangeHasItsReason also says that the secrets stay out of a plan.
func TestEveryChangeHasItsReason(t *testing.T) {
	for _, v := range lab.Versions {
		for _, profile := range []string{"intermediate", "modern", "compatible"} {
			p, _ := build(t, lab.Machine(t, v, tree(t, ageing, mailserverMaster)), "profile="+profile, "submission=encrypt-and-465")
			for _, c := range p.Changes {
				if c.Why == "" || c.Source == "" {
					t.Errorf("%s %s: no reason for %s %s", v, profile, c.Service, c.Parameter)
				}
			}
			b, err := json.Marshal(p)
			if err != nil || bytes.Contains(b, []byte("PRIVATE KEY")) {
				t.Errorf("a key in the plan, or %v", err)
			}
		}
	}
}

// TestObsoleteGo: they go with the reason, and where Postfix reads them twice,
// only the new one is left.
func TestObsoleteGo(t *testing.T) {
	p, _ := build(t, lab.Machine(t, "3.7.11", tree(t, ageing+"smtpd_tls_loglevel = 0\nsmtpd_tls_loglevel = 3\nsmtpd_enforce_tls = no\n", stockMaster)))
	main := maincf.Parse(after(p, plan.MainCF))
	for _, name := range []string{"smtpd_use_tls", "smtp_use_tls", "smtpd_enforce_tls", "smtpd_tls_dh1024_param_file", "smtpd_tls_cert_file", "smtpd_tls_key_file", "smtpd_tls_session_cache_database"} {
		if _, ok := main.Get(name); ok {
			t.Errorf("%s is still there", name)
		}
		i := slices.IndexFunc(p.Changes, func(c plan.Change) bool { return c.Parameter == name })
		if i < 0 || p.Changes[i].Kept || p.Changes[i].Line == 0 {
			t.Errorf("%s: no change, or no line", name)
		}
	}
	if n := strings.Count(after(p, plan.MainCF), "\nsmtpd_tls_loglevel"); n != 1 {
		t.Errorf("smtpd_tls_loglevel is there %d times", n)
	}
	for _, untouched := range []string{"# See /usr/share", "compatibility_level = 2\n", "\texample.net\n", "relayhost =\n", "mynetworks = 127.0.0.0/8\n"} {
		if !strings.Contains(after(p, plan.MainCF), untouched) {
			t.Errorf("%q is gone", untouched)
		}
	}
}

// TestReferredLinesStay: a line that another one refers to is not taken away.
func TestReferredLinesStay(t *testing.T) {
	main := ageing + "my_key = $smtpd_tls_key_file\nsmtpd_tls_fingerprint_digest = ${smtpd_use_tls?{sha256}:{sha1}}\n"
	p, _ := build(t, lab.Machine(t, "3.7.11", tree(t, main, stockMaster+"x unix - n n - - pipe -o y=$smtpd_tls_dh1024_param_file\n")))
	for _, line := range []string{"smtpd_tls_key_file = /etc/ssl/mail/mx.key\n", "smtpd_use_tls = yes\n", "smtpd_tls_dh1024_param_file = /etc/postfix/dh.pem\n"} {
		if !strings.Contains(after(p, plan.MainCF), line) {
			t.Errorf("gone: %s", line)
		}
	}
	if strings.Contains(after(p, plan.MainCF), "smtpd_tls_cert_file") || len(p.Notes) < 3 {
		t.Errorf("notes %q", p.Notes)
	}
}

// TestServices: master.cf changes where it would defeat the block, and where
// a service would lose what it has.
func TestServices(t *testing.T) {
	base := ageing + "smtpd_tls_security_level = may\nsmtpd_use_tls = no\nmx_level = none\n"
	for _, c := range []struct{ name, services, answers, want, gone string }{
		{"TLS off on port 25", "smtp inet n - y - - smtpd -o smtpd_tls_security_level=none\n", "", "smtp inet n - y - - smtpd\n", ""},
		{"TLS off on port 25 by a parameter of one's own", "smtp inet n - y - - smtpd -o smtpd_tls_security_level=$mx_level\n", "", "smtp inet n - y - - smtpd\n", ""},
		{"TLS off on port 25 by an empty level", "smtp inet n - y - - smtpd -o smtpd_tls_security_level=\n", "", "smtp inet n - y - - smtpd\n", ""},
		{"old TLS", "smtp inet n - y - - smtpd\n  -o smtpd_tls_protocols=!SSLv3\n", "", "smtp inet n - y - - smtpd\n", "smtpd_tls_protocols"},
		{"stricter stays", "smtp inet n - y - - smtpd\n  -o smtpd_tls_protocols=>=TLSv1.3\n", "", "", ""},
		{"suites that the block excludes", "smtp inet n - y - - smtpd\n  -o { smtpd_tls_exclude_ciphers = aNULL, MD5 }\n", "", "smtp inet n - y - - smtpd\n", "smtpd_tls_exclude_ciphers"},
		{"more exclusions stay", "smtp inet n - y - - smtpd\n  -o smtpd_tls_exclude_ciphers=aNULL,kRSA,kDHE,SHA1,SHA256,SHA384,CAMELLIA,ARIA,AESCCM8\n", "", "", ""},
		{"suites for users", "submission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n  -o smtpd_tls_security_level=encrypt\n  -o smtpd_tls_exclude_ciphers=\n  -o smtpd_tls_mandatory_exclude_ciphers=aNULL\n", "", "-o smtpd_tls_security_level=encrypt\n", "exclude_ciphers"},
		{"no suite for the certificate", "smtp inet n - y - - smtpd\n  -o smtpd_tls_exclude_ciphers=aNULL,aRSA,kRSA,kDHE,SHA1,CAMELLIA,ARIA,AESCCM8\n", "", "smtp inet n - y - - smtpd\n", "smtpd_tls_exclude_ciphers"},
		{"internal stays", "smtp inet n - y - - smtpd\n127.0.0.1:10025 inet n - y - - smtpd -o smtpd_tls_security_level=none\n", "", "", ""},
		{"users", "submission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n", "", "  -o smtpd_tls_security_level=encrypt\n", ""},
		{"users, as they are", "submission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n", "submission=keep", "", ""},
		{"465", "submission inet n - y - - smtpd\n  -o syslog_name=postfix/submission\n  -o smtpd_sasl_auth_enable=yes\n  -o smtpd_tls_security_level=encrypt\n", "submission=encrypt-and-465",
			"submissions inet n - y - - smtpd\n  -o syslog_name=postfix/submissions\n  -o smtpd_sasl_auth_enable=yes\n  -o smtpd_tls_wrappermode=yes\n", ""},
		{"own certificate", "26 inet n - y - - smtpd\n  -o smtpd_tls_cert_file=/etc/ssl/mail/ec.pem\n  -o smtpd_tls_key_file=/etc/ssl/mail/ec.pem\n", "",
			"-o smtpd_tls_chain_files=/etc/postseal/certs/mx.example.org/26-ecdsa.pem\n", "smtpd_tls_cert_file"},
	} {
		p, _ := build(t, lab.Machine(t, "3.7.11", tree(t, base, c.services)), strings.Fields(c.answers)...)
		got := after(p, plan.MasterCF)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) || c.gone != "" && strings.Contains(got, c.gone) {
			t.Errorf("%s:\n%s", c.name, got)
		}
	}
}

// TestChainFiles: key first, order mended, one file for each algorithm; what
// an ACME client renews in place is not copied.
// TestExclusionsOfMachines: a port for machines keeps its exclusions, and nothing else is
// expected of it.
func TestExclusionsOfMachines(t *testing.T) {
	services := "smtp inet n - y - - smtpd\n127.0.0.1:10025 inet n - y - - smtpd -o smtpd_tls_exclude_ciphers=MD5 -o receive_override_options=no_milters\n"
	p, _ := build(t, lab.Machine(t, "3.7.11", tree(t, ageing+"smtpd_tls_security_level = may\n", services)))
	for _, c := range p.Checks {
		want := []string{"AESCCM8", "ARIA", "CAMELLIA", "SHA1", "aNULL", "kDHE", "kRSA"}
		if c.Service != "smtp/inet" {
			want = []string{"MD5"}
		}
		if !slices.Equal(c.Excludes, want) {
			t.Errorf("%s excludes %v", c.Service, c.Excludes)
		}
	}
	if got := after(p, plan.MasterCF); got != "" {
		t.Error(got)
	}
}

// TestStrayWords: an override that the plan removes or changes takes the words with
// it that a blank cut off, and what stood behind them is judged as it counts then.
func TestStrayWords(t *testing.T) {
	master := stockMaster + `submission inet n       -       y       -       -       smtpd
  -o smtpd_tls_mandatory_protocols=!SSLv2, !SSLv3, !TLSv1
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_tls_security_level=may
`
	p, _ := build(t, lab.Machine(t, "3.7.11", tree(t, ageing, master)))
	text := after(p, plan.MasterCF)
	for _, gone := range []string{"!SSLv3", "!TLSv1", "mandatory"} {
		if strings.Contains(text, gone) {
			t.Errorf("%s is still there:\n%s", gone, text)
		}
	}
	if !strings.Contains(text, "  -o smtpd_sasl_auth_enable=yes\n") || !strings.Contains(text, "-o smtpd_tls_security_level=encrypt\n") {
		t.Errorf("%s", text)
	}
	i := slices.IndexFunc(p.Changes, func(c plan.Change) bool { return c.Parameter == "smtpd_tls_mandatory_protocols" && c.Service != "" })
	if i < 0 || !strings.Contains(p.Changes[i].Why, `smtpd fails on the words that follow: "!SSLv3, !TLSv1"`) {
		t.Errorf("%+v", p.Changes)
	}
	j := slices.IndexFunc(p.Changes, func(c plan.Change) bool { return c.Parameter == "smtpd_tls_security_level" && c.Service != "" })
	if j < 0 || p.Changes[j].Before != "may" || !p.Changes[j].Present {
		t.Errorf("%+v", p.Changes)
	}
}

func TestChainFiles(t *testing.T) {
	files := tree(t, ageing, stockMaster)
	live := "/etc/letsencrypt/live/mx.example.org/"
	files[live+"fullchain.pem"], files[live+"privkey.pem"] = issued["ec"].Cert+ca.IntermediatePEM, issued["ec"].Key
	m := lab.Machine(t, "3.7.11", files)

	p, _ := build(t, m, "cert=/etc/ssl/mail/ec.pem", "cert=/etc/ssl/mail/mx.pem", "key=/etc/ssl/mail/mx.key")
	main := maincf.Parse(after(p, plan.MainCF))
	const dir = "/etc/postseal/certs/mx.example.org/"
	if e, _ := main.Get("smtpd_tls_chain_files"); e.Value != dir+"rsa.pem, "+dir+"ecdsa.pem" {
		t.Errorf("chain files %s", e.Value)
	}
	for _, f := range p.Files[:2] {
		block, _ := pem.Decode([]byte(f.Assemble.PEM))
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err != nil || leaf.IsCA || f.Mode != 0o600 || !f.New || f.Assemble.Unproved || strings.Contains(f.Assemble.PEM, "PRIVATE") {
			t.Errorf("%+v", f)
		}
	}

	p, _ = build(t, m, "cert="+live+"fullchain.pem", "key="+live+"privkey.pem")
	main = maincf.Parse(after(p, plan.MainCF))
	if e, _ := main.Get("smtpd_tls_chain_files"); e.Value != live+"privkey.pem, "+live+"fullchain.pem" || p.Files[0].Kind == plan.ChainPEM {
		t.Errorf("chain files %s", e.Value)
	}
	for _, c := range p.Checks {
		if c.Mode == plan.STARTTLS && len(c.Serves["ECDSA"]) != 64 {
			t.Errorf("%+v", c)
		}
	}
}

// TestStaleCopy: a copy of what another client renews has to be accepted, and
// is not what is suggested.
func TestStaleCopy(t *testing.T) {
	files := tree(t, ageing, stockMaster)
	live := "/etc/letsencrypt/live/mx.example.org/"
	files[live+"fullchain.pem"], files[live+"privkey.pem"] = issued["rsa"].Cert+ca.IntermediatePEM, issued["rsa"].Key
	m := lab.Machine(t, "3.7.11", files)
	stale := func(p *plan.Plan) bool {
		return slices.ContainsFunc(p.Risks, func(r plan.Risk) bool {
			return r.Name == plan.RiskStaleCopy && strings.Contains(r.Text, "certbot renews "+live+"fullchain.pem")
		})
	}
	p, _ := build(t, m, "cert=/etc/ssl/mail/mx.pem", "key=/etc/ssl/mail/mx.key")
	if !stale(p) {
		t.Errorf("%+v", p.Risks)
	}
	p, _ = build(t, m)
	main := maincf.Parse(after(p, plan.MainCF))
	if e, _ := main.Get("smtpd_tls_chain_files"); stale(p) || e.Value != live+"privkey.pem, "+live+"fullchain.pem" {
		t.Errorf("%s %+v", e.Value, p.Risks)
	}
	// In an order that Postfix does not take, it must be a copy, and the way to
	// keep it young is one that does not stop at the risk itself.
	files[live+"fullchain.pem"] = ca.IntermediatePEM + issued["rsa"].Cert
	p, _ = build(t, lab.Machine(t, "3.7.11", files), "cert="+live+"fullchain.pem")
	if i := slices.IndexFunc(p.Risks, func(r plan.Risk) bool { return r.Name == plan.RiskStaleCopy }); i < 0 || !strings.Contains(p.Risks[i].Text, "postseal apply --yes --accept-risk stale-copy") {
		t.Errorf("%+v", p.Risks)
	}
}

// TestLink: a link that leads over what a client renews is used where it lies.
func TestLink(t *testing.T) {
	files := tree(t, ageing, stockMaster)
	const live, here = "/etc/letsencrypt/live/mx.example.org/", "/etc/postfix/ssl/"
	files[live+"fullchain.pem"], files[live+"privkey.pem"] = issued["rsa"].Cert+ca.IntermediatePEM, issued["rsa"].Key
	files[here+"README"] = ""
	m := lab.Machine(t, "3.7.11", files)
	for _, name := range []string{"fullchain.pem", "privkey.pem"} {
		if err := os.Symlink(m.Root+live+name, m.Root+here+name); err != nil {
			t.Fatal(err)
		}
	}
	p, _ := build(t, m, "cert="+here+"fullchain.pem", "key="+here+"privkey.pem")
	main := maincf.Parse(after(p, plan.MainCF))
	if e, _ := main.Get("smtpd_tls_chain_files"); e.Value != here+"privkey.pem, "+here+"fullchain.pem" || slices.ContainsFunc(p.Risks, func(r plan.Risk) bool { return r.Name == plan.RiskStaleCopy }) {
		t.Errorf("%s %+v", e.Value, p.Risks)
	}
}

// TestAnyUser: who cannot read the key gets a plan all the same, which says
// that the match is proved later.
func TestAnyUser(t *testing.T) {
	m := lab.Machine(t, "3.7.11", tree(t, ageing, stockMaster))
	m.User, m.Deny = 65534, []string{"/etc/ssl/mail/mx.key"}
	p, _ := build(t, m)
	if !p.Files[0].Assemble.Unproved || len(p.Notes) < 2 || !strings.Contains(p.Notes[1], "this user cannot read the private key") {
		t.Errorf("%+v %q", p.Files[0].Assemble, p.Notes)
	}
}

// TestSender: a server that only sends gets nothing about receiving, and what
// is set for receiving stays.
func TestSender(t *testing.T) {
	p, _ := build(t, lab.Machine(t, "3.7.11", tree(t, ageing, stockMaster)), "role=sender")
	for _, c := range p.Changes {
		if strings.HasPrefix(c.Parameter, "smtpd_") {
			t.Errorf("%s changes", c.Parameter)
		}
	}
	if len(p.Changes) < 4 {
		t.Errorf("only %+v", p.Changes)
	}
}

// TestBuildIsAFunction: the same facts and answers give the same plan.
func TestBuildIsAFunction(t *testing.T) {
	f, a := look(t, lab.Machine(t, "3.10.13", tree(t, ageing, mailserverMaster)), "profile=modern", "submission=encrypt-and-465")
	first, err := plan.Build(f, a, options)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		again, err := plan.Build(f, a, options)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(first, again); d != "" {
			t.Fatal(d)
		}
	}
}

// TestSwitchedOn: a line that keeps TLS off does not leave as one that was replaced alone.
func TestSwitchedOn(t *testing.T) {
	files := tree(t, strings.NewReplacer("smtpd_use_tls = yes", "smtpd_use_tls = no", "smtp_use_tls = yes", "smtp_use_tls = no").Replace(ageing), stockMaster)
	p, _ := build(t, lab.Machine(t, "3.7.11", files))
	for name, level := range map[string]string{"smtpd_use_tls": "smtpd_tls_security_level", "smtp_use_tls": "smtp_tls_security_level"} {
		i := slices.IndexFunc(p.Changes, func(c plan.Change) bool { return c.Parameter == name })
		if i < 0 || !strings.Contains(p.Changes[i].Why, level+", which replaces it, enables TLS") {
			t.Errorf("%s: %+v", name, p.Changes)
		}
	}
}

// TestUnchangeable: where a service cannot be changed for words that are no options, the
// error names the line and the words, and says what to write.
func TestUnchangeable(t *testing.T) {
	files := tree(t, ageing, stockMaster+"submission inet n - n - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n  -o smtpd_recipient_restrictions=permit_sasl_authenticated, reject\n")
	f, a := look(t, lab.Machine(t, "3.7.11", files))
	_, err := plan.Build(f, a, options)
	if err == nil || !strings.Contains(err.Error(), `/etc/postfix/master.cf, line `) || !strings.Contains(err.Error(), `"reject" after -o smtpd_recipient_restrictions`) || hint.Of(err) == "" {
		t.Errorf("%v (%s)", err, hint.Of(err))
	}
}
