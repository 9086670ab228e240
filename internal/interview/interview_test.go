package interview_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"postseal/internal/ask"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/interview"
	"postseal/internal/lab"
	"postseal/internal/plan"
)

const dir = "/etc/postfix"

// machines are servers on which the house rules must hold.
func machines(t testing.TB) map[string]*host.Fake {
	t.Helper()
	ca := lab.NewCA(t)
	ec, rsa := ca.Issue(t, lab.Leaf{}), ca.Issue(t, lab.Leaf{RSA: true})
	client := ca.Issue(t, lab.Leaf{Usages: nil, NoUsages: true})
	files := func(main, master string) map[string]string {
		return map[string]string{
			"main.cf": main, "master.cf": master,
			"/c/ec.pem": ec.Key + ec.Cert + ca.IntermediatePEM, "/c/rsa.pem": rsa.Cert + ca.IntermediatePEM, "/c/rsa.key": rsa.Key, "/c/copy.key": rsa.Key,
			"/c/client.pem": client.Key + client.Cert, "/c/ca.pem": ca.RootPEM,
			"/etc/ssl/certs/ca-certificates.crt": ca.RootPEM, "/etc/resolv.conf": "nameserver 127.0.0.1\n",
		}
	}
	const smtp = "smtp inet n - n - - smtpd\nsmtp unix - - n - - smtp\n"
	const users = smtp + "submission inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes\n"
	out := map[string]*host.Fake{
		"bare":       lab.Machine(t, "3.7.11", files("myhostname = mx.example.org\n", smtp)),
		"ageing":     lab.Machine(t, "3.5.25", files("myhostname = mx.example.org\nrelay_domains = example.org\nsmtpd_use_tls = yes\nsmtpd_tls_cert_file = /c/rsa.pem\nsmtpd_tls_key_file = /c/rsa.key\nsmtp_tls_cert_file = /c/client.pem\n", smtp)),
		"mailserver": lab.Machine(t, "3.10.13", files("myhostname = mx.example.org\nrelay_domains = example.org\nsmtpd_tls_chain_files = /c/ec.pem\nsmtpd_tls_security_level = may\nsmtp_tls_security_level = encrypt\n", users)),
		"unknown":    lab.Machine(t, "", files("myhostname = mx.example.org\n", users)),
		"sender":     lab.Machine(t, "3.11.7", files("myhostname = mx.example.org\ninet_interfaces = loopback-only\n", smtp)),
	}
	out["mailserver"].DNS[". NS"] = host.Answer{RCode: "NOERROR", AD: true, Records: []string{"a."}}
	return out
}

func look(t testing.TB, m *host.Fake) *detect.Facts {
	t.Helper()
	f, err := detect.Look(context.Background(), m, dir, "/etc/postseal/certs", nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestHouseRules: keys are unique and are flags; titles are short headings or
// questions; every suggestion has a reason, can be parsed, and passes its own check.
func TestHouseRules(t *testing.T) {
	seen := map[string]bool{}
	for _, q := range interview.All {
		name := q.Name()
		section, title, why, help := q.Texts()
		if seen[name] {
			t.Errorf("%s: the key is used twice", name)
		}
		seen[name] = true
		if strings.ToLower(name) != name || strings.ContainsAny(name, " _.") {
			t.Errorf("%s: a key is a flag name", name)
		}
		if section == "" || title == "" || len(title) > 60 || strings.HasSuffix(title, ".") || !strings.HasSuffix(why, ".") || help == "" {
			t.Errorf("%s: section %q, title %q, why %q, help %q", name, section, title, why, help)
		}
		for _, text := range []string{title, why, help} {
			for _, word := range []string{"please", "Please", "successfully", "!", "simply"} {
				if strings.Contains(text, word) {
					t.Errorf("%s: %q in %q", name, word, text)
				}
			}
		}
		if _, free := q.FreeText(); !free && len(q.Named()) < 2 {
			t.Errorf("%s: nothing to choose from", name)
		}
		for _, c := range q.Named() {
			if c.Help == "" {
				t.Errorf("%s: %s does not say what it means", name, c.Text)
			}
		}
	}
	for name, m := range machines(t) {
		f, a := look(t, m), &ask.Answers{}
		f.Inspect(m, interview.All.Reads(f, a))
		for _, q := range interview.All.Relevant(f, a) {
			texts, why := q.Proposal(f, a)
			if why == "" || strings.HasSuffix(why, ".") {
				t.Errorf("%s, %s: reason %q", name, q.Name(), why)
			}
			if len(texts) == 0 {
				t.Errorf("%s, %s: no suggestion: %s", name, q.Name(), why)
				continue
			}
			b := a.Clone()
			if err := q.Set(b, texts, ask.Typed); err != nil {
				t.Errorf("%s, %s: the suggestion cannot be parsed: %v", name, q.Name(), err)
			}
			if err := q.Verify(f, b); err != nil {
				t.Errorf("%s, %s: its own suggestion is refused: %v", name, q.Name(), err)
			}
			if got, _ := q.Value(f, b); !slices.Equal(got, texts) {
				t.Errorf("%s, %s: %q is read back as %q", name, q.Name(), texts, got)
			}
		}
	}
}

// TestWrapperMode: a level at which wrapper mode defers mail is neither suggested
// nor accepted; one service alone does not raise the level of all other mail.
func TestWrapperMode(t *testing.T) {
	const (
		smtp    = "smtp inet n - n - - smtpd\nsmtp unix - - n - - smtp\n"
		partner = smtp + "smtps unix - - n - - smtp -o smtp_tls_wrappermode=yes\n"
		relay   = "myhostname = mx.example.org\nrelayhost = [smtp.isp.example]:465\nsmtp_tls_wrappermode = yes\n"
		dnssec  = "smtp_dns_support_level = dnssec\n"
	)
	for name, x := range map[string]struct {
		main, master      string
		validates         bool
		suggested, accept string
	}{
		"level encrypt":                       {relay + "smtp_tls_security_level = encrypt\n", smtp, false, "encrypt", "encrypt secure"},
		"level may":                           {relay + "smtp_tls_security_level = may\n", smtp, false, "encrypt", "encrypt secure"},
		"level may, a validating resolver":    {relay + "smtp_tls_security_level = may\n", smtp, true, "encrypt", "encrypt secure"},
		"no level":                            {relay, smtp, false, "encrypt", "encrypt secure"},
		"level secure":                        {relay + "smtp_tls_security_level = secure\n", smtp, false, "secure", "encrypt secure"},
		"level dane":                          {relay + dnssec + "smtp_tls_security_level = dane\n", smtp, true, "dane", "dane encrypt secure"},
		"level dane that acts as may":         {relay + "smtp_tls_security_level = dane\n", smtp, true, "encrypt", "encrypt secure"},
		"a policy encrypts":                   {relay + "smtp_tls_security_level = may\nsmtp_tls_policy_maps = static:encrypt\n", smtp, false, "may", "may encrypt secure"},
		"the service has a level of its own":  {relay + "smtp_tls_security_level = may\n", smtp + " -o smtp_tls_security_level=encrypt\n", false, "may", "may encrypt secure"},
		"no wrapper mode":                     {"myhostname = mx.example.org\nsmtp_tls_security_level = may\n", smtp, false, "may", "may encrypt secure"},
		"one service that follows encrypt":    {"myhostname = mx.example.org\nsmtp_tls_security_level = encrypt\n", partner, false, "encrypt", "encrypt secure"},
		"one service that stands still":       {"myhostname = mx.example.org\nsmtp_tls_security_level = may\n", partner, false, "may", "may encrypt secure"},
		"one service with a level of its own": {"myhostname = mx.example.org\nsmtp_tls_security_level = encrypt\n", partner + " -o smtp_tls_security_level=encrypt\n", false, "encrypt", "may encrypt secure"},
	} {
		t.Run(name, func(t *testing.T) {
			f := look(t, lab.Machine(t, "3.7.11", map[string]string{"main.cf": x.main, "master.cf": x.master}))
			f.Resolver.Validates = detect.No
			if x.validates {
				f.Resolver.Validates = detect.Yes
			}
			q, _ := interview.All.Lookup("outbound-level")
			if got, why := q.Proposal(f, &ask.Answers{}); !slices.Equal(got, []string{x.suggested}) {
				t.Errorf("%q is suggested, not %s: %s", got, x.suggested, why)
			}
			var accepted []string
			for _, level := range []string{"may", "dane", "encrypt", "secure"} {
				if level == "dane" && !x.validates {
					continue // refused for another reason
				}
				a := &ask.Answers{}
				if err := q.Set(a, []string{level}, ask.Flag); err != nil {
					t.Fatal(err)
				}
				err := q.Verify(f, a)
				switch {
				case err == nil:
					accepted = append(accepted, level)
				case !strings.Contains(err.Error(), "smtp_tls_wrappermode is on for smtp") || !strings.Contains(hint.Of(err), "--outbound-level encrypt"):
					t.Errorf("%s is refused: %v; hint: %s", level, err, hint.Of(err))
				}
			}
			if got := strings.Join(accepted, " "); got != x.accept {
				t.Errorf("%s are accepted, not %s", got, x.accept)
			}
		})
	}
}

// TestBrokenCertificate: whatever else lies about, what takes the place of a
// certificate that is in use and broken is asked, and not guessed.
func TestBrokenCertificate(t *testing.T) {
	ca := lab.NewCA(t)
	used, other := ca.Issue(t, lab.Leaf{}), ca.Issue(t, lab.Leaf{})
	m := lab.Machine(t, "3.7.11", map[string]string{
		"main.cf":   "myhostname = mx.example.org\nsmtpd_tls_cert_file = /c/w.crt\nsmtpd_tls_key_file = /c/w.key\n",
		"master.cf": "smtp inet n - n - - smtpd\n", "/c/w.crt": used.Cert, "/c/w.key": other.Key,
		"/etc/postseal/certs/mx.example.org/self-signed.pem": other.Key + other.Cert + ca.IntermediatePEM,
		"/etc/ssl/certs/ca-certificates.crt":                 ca.RootPEM,
	})
	f, a := look(t, m), &ask.Answers{}
	q, ok := interview.All.Lookup("cert")
	if !ok {
		t.Fatal("there is no such question")
	}
	texts, why := q.Proposal(f, a)
	if len(texts) > 0 || !strings.HasPrefix(why, "the certificate in use is broken: ") || !strings.HasSuffix(why, "self-signed.pem was also found here and names this server") {
		t.Errorf("%q: %s", texts, why)
	}
}

// TestOneCauseOneError: a certificate in use that cannot be used is one error, and not
// also a missing answer that makes no sense.
func TestOneCauseOneError(t *testing.T) {
	ca := lab.NewCA(t)
	one, other := ca.Issue(t, lab.Leaf{RSA: true}), ca.Issue(t, lab.Leaf{RSA: true})
	for name, main := range map[string]string{
		"an encrypted key": "smtpd_tls_cert_file = /c/one.pem\nsmtpd_tls_key_file = /c/locked.key\n",
		"another's key":    "smtpd_tls_cert_file = /c/one.pem\nsmtpd_tls_key_file = /c/other.key\n",
		"no files":         "smtpd_tls_cert_file = /c/none.pem\nsmtpd_tls_key_file = /c/none.key\n",
		"two RSA keys":     "smtpd_tls_chain_files = /c/one.key, /c/one.pem, /c/other.key, /c/other.pem\n",
	} {
		f, a := look(t, lab.Machine(t, "3.7.11", map[string]string{
			"main.cf": "myhostname = mx.example.org\n" + main, "master.cf": "smtp inet n - n - - smtpd\n",
			"/c/one.pem": one.Cert, "/c/one.key": one.Key, "/c/other.pem": other.Cert, "/c/other.key": other.Key,
			"/c/locked.key":                      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
			"/etc/ssl/certs/ca-certificates.crt": ca.RootPEM,
		})), &ask.Answers{}
		missing := interview.Missing(interview.All, f, a)
		if len(missing) != 1 || missing[0].Name() != "cert" {
			t.Errorf("%s: %d answers are missing", name, len(missing))
		}
		if err := interview.All.Verify(f, a); err != nil {
			t.Errorf("%s: and then: %v", name, err)
		}
	}
}

// TestProposedCertificate: a certificate that is only lying there is proposed if root
// alone can change it and a CA that is trusted here has issued it, whatever the names of
// its folders; others are offered, with what speaks against them.
func TestProposedCertificate(t *testing.T) {
	lab.NeedRoot(t)
	ca, stranger := lab.NewCA(t), lab.NewCA(t)
	good, bad := ca.Issue(t, lab.Leaf{}), stranger.Issue(t, lab.Leaf{})
	const caddy = "/var/lib/caddy/.local/share/caddy/certificates/acme/"
	for name, c := range map[string]struct {
		leaf   lab.Issued
		folder string
		owner  int
		doubt  string // empty: it is proposed
	}{
		"ours":                {good, "mx.example.org", 0, ""},
		"of another CA":       {bad, "mx.example.org", 0, "issued by a CA that is not trusted here"},
		"of another account":  {good, "mx.example.org", 33, "www-data can change it"},
		"of a name in lines":  {good, "a\nrelayhost = [203.0.113.66]\n#", 0, "control character"},
		"all that goes wrong": {bad, "a\nrelayhost = [203.0.113.66]\n#", 33, "not trusted here"},
	} {
		chain := caddy + c.folder + "/mx.example.org.crt"
		m := lab.Machine(t, "3.7.11", map[string]string{
			"main.cf": "myhostname = mx.example.org\n", "master.cf": "smtp inet n - n - - smtpd\n",
			chain: c.leaf.Cert + ca.IntermediatePEM, strings.TrimSuffix(chain, ".crt") + ".key": c.leaf.Key,
			"/etc/ssl/certs/ca-certificates.crt": ca.RootPEM, "/etc/resolv.conf": "nameserver 127.0.0.1\n",
		})
		if err := os.Chown(filepath.Join(m.Root, filepath.Dir(chain)), c.owner, c.owner); err != nil {
			t.Fatal(err)
		}
		f, a := look(t, m), &ask.Answers{}
		q, ok := interview.All.Lookup("cert")
		if !ok {
			t.Fatal("there is no such question")
		}
		texts, why := q.Proposal(f, a)
		if c.doubt == "" {
			if !slices.Equal(texts, []string{chain}) {
				t.Errorf("%s: %q: %s", name, texts, why)
			}
			continue
		}
		if !slices.Equal(texts, []string{"none"}) || !strings.Contains(why, c.doubt) || strings.ContainsAny(why, "\n\x1b") {
			t.Errorf("%s: %q: %s", name, texts, why)
		}
		for _, o := range q.Options(f, a) {
			if o.Text == chain && !strings.Contains(o.Help, c.doubt) {
				t.Errorf("%s is offered with %q", name, o.Help)
			}
		}
	}
}

// TestProposedCertificateSource: the file of which the certificate in use is a copy is proposed under
// the same conditions as any other, and only if it lies beside its key. A public key in
// the folder of another account proves nothing.
func TestProposedCertificateSource(t *testing.T) {
	lab.NeedRoot(t)
	ca, stranger := lab.NewCA(t), lab.NewCA(t)
	shown := ca.Issue(t, lab.Leaf{NotBefore: time.Now().AddDate(0, 0, -60)})
	newer := lab.Leaf{NotBefore: time.Now().AddDate(0, 0, -1)}
	renewed, forged := ca.Certify(t, newer, shown.Signer), stranger.Certify(t, newer, shown.Signer)
	const used, source = "/etc/postfix/ssl/mx.pem", "/var/lib/caddy/.local/share/caddy/certificates/acme/mx.example.org/mx.example.org.crt"
	for name, c := range map[string]struct {
		cert, key string
		owner     int
		want, why string
	}{
		"renewed":                         {renewed.Cert + ca.IntermediatePEM, shown.Key, 0, source, "renews it there"},
		"renewed by another account":      {renewed.Cert + ca.IntermediatePEM, shown.Key, lab.WWWData, used, "www-data can change it"},
		"forged, with the key":            {forged.Cert + stranger.IntermediatePEM, shown.Key, 0, used, "issued by a CA that is not trusted here"},
		"forged, with the key, elsewhere": {forged.Cert + stranger.IntermediatePEM, shown.Key, lab.WWWData, used, "issued by a CA that is not trusted here"},
		"forged, without the key":         {forged.Cert + stranger.IntermediatePEM, forged.Cert, lab.WWWData, used, "it is in use now"},
		"copied, without the key":         {renewed.Cert + ca.IntermediatePEM, renewed.Cert, lab.WWWData, used, "it is in use now"},
	} {
		m := lab.Machine(t, "3.7.11", map[string]string{
			"main.cf": "myhostname = mx.example.org\nsmtpd_tls_chain_files = " + used + "\n", "master.cf": "smtp inet n - n - - smtpd\n",
			used: shown.Key + shown.Cert + ca.IntermediatePEM, source: c.cert, strings.TrimSuffix(source, ".crt") + ".key": c.key,
			"/etc/ssl/certs/ca-certificates.crt": ca.RootPEM, "/etc/resolv.conf": "nameserver 127.0.0.1\n",
		})
		if err := os.Chown(filepath.Join(m.Root, filepath.Dir(source)), c.owner, c.owner); err != nil {
			t.Fatal(err)
		}
		f := look(t, m)
		q, ok := interview.All.Lookup("cert")
		if !ok {
			t.Fatal("there is no such question")
		}
		if texts, why := q.Proposal(f, &ask.Answers{}); !slices.Equal(texts, []string{c.want}) || !strings.Contains(why, c.why) {
			t.Errorf("%s: %q: %s", name, texts, why)
		}
		if held := f.ServerCertificates()[0].Source != ""; held != (c.key == shown.Key) {
			t.Errorf("%s: known as a copy: %v", name, held)
		}
	}
}

// TestNoCertificateNoKey: of a certificate that is not there no key is asked.
func TestNoCertificateNoKey(t *testing.T) {
	m := lab.Machine(t, "3.7.11", map[string]string{"main.cf": "myhostname = mx.example.org\n", "master.cf": "smtp inet n - n - - smtpd\n"})
	f, a := look(t, m), &ask.Answers{}
	q, _ := interview.All.Lookup("cert")
	if err := q.Set(a, []string{"/nonexist.pem"}, ask.Flag); err != nil {
		t.Fatal(err)
	}
	f.Inspect(m, interview.All.Reads(f, a))
	if key, _ := interview.All.Lookup("key"); key.Relevant(f, a) || q.Verify(f, a) == nil {
		t.Errorf("asked for the key of nothing: %v", q.Verify(f, a))
	}
}

// TestEveryQuestionMatters: for each question there is a server on which two
// answers make different plans.
func TestEveryQuestionMatters(t *testing.T) {
	matters := map[string]bool{}
	for _, m := range machines(t) {
		f := look(t, m)
		f.Inspect(m, []string{"/c/ec.pem", "/c/rsa.pem", "/c/rsa.key", "/c/copy.key", "/c/client.pem"})
		f.PolicyTable = "hash:/etc/postseal/tls_policy"
		f.InspectCA(m, "/c/ca.pem")
		for _, base := range [][2]string{{"", ""}, {"role", "mailserver"}, {"cert", "/c/rsa.pem"}, {"client-cert", "/c/rsa.pem"}} {
			for _, q := range interview.All {
				a := &ask.Answers{}
				if p, ok := interview.All.Lookup(base[0]); ok {
					if err := p.Set(a, []string{base[1]}, ask.Flag); err != nil {
						t.Fatal(err)
					}
				}
				plans := map[string]bool{}
				for _, texts := range candidates(q, f, a) {
					b := a.Clone()
					if q.Set(b, texts, ask.Typed) != nil || !q.Relevant(f, b) {
						continue
					}
					p, err := plan.Build(f, b, plan.Options{CertsDir: "/etc/postseal/certs", EtcDir: "/etc/postseal"})
					if err != nil {
						continue
					}
					plans[fingerprint(p)] = true
				}
				matters[q.Name()] = matters[q.Name()] || len(plans) > 1
			}
		}
	}
	for _, q := range interview.All {
		if !matters[q.Name()] {
			t.Errorf("%s: no plan depends on it", q.Name())
		}
	}
}

// candidates are answers to try.
func candidates(q ask.Item[interview.Facts], f *detect.Facts, a *ask.Answers) (out [][]string) {
	for _, o := range q.Options(f, a) {
		out = append(out, []string{o.Text})
	}
	switch q.Name() {
	case "cert":
		out = append(out, []string{"/c/ec.pem"}, []string{"/c/rsa.pem"})
	case "key":
		out = append(out, []string{"/c/rsa.key"}, []string{"/c/ec.pem", "/c/rsa.key"})
	case "client-cert":
		out = append(out, []string{"/c/client.pem"})
	case "client-key":
		out = append(out, []string{"/c/copy.key"}, []string{"/c/rsa.key"})
	}
	return out
}

func fingerprint(p *plan.Plan) string {
	var b strings.Builder
	for _, f := range p.Files {
		b.WriteString(f.Path + f.After)
		if f.Assemble != nil {
			b.WriteString(strings.Join(f.Assemble.From, ","))
		}
	}
	return b.String()
}

// TestTypedIsFlagIsFile: whatever can be typed makes the same plan as the same
// answers given by flags, and as the answers file that is then written.
func TestTypedIsFlagIsFile(t *testing.T) {
	all := machines(t)
	facts := map[string]*detect.Facts{}
	for name, m := range all {
		facts[name] = look(t, m)
		facts[name].Inspect(m, []string{"/c/ec.pem", "/c/rsa.pem", "/c/rsa.key", "/c/copy.key", "/c/client.pem"})
	}
	names := []string{"bare", "ageing", "mailserver", "unknown", "sender"}
	rapid.Check(t, func(t *rapid.T) {
		f := facts[rapid.SampledFrom(names).Draw(t, "machine")]
		build := func(a *ask.Answers) *plan.Plan {
			p, err := plan.Build(f, a, plan.Options{CertsDir: "/etc/postseal/certs", EtcDir: "/etc/postseal"})
			if err != nil {
				t.Skip(err)
			}
			return p
		}
		var typed, flags, file ask.Answers
		given := map[string][]string{}
		for _, q := range interview.All {
			if !q.Relevant(f, &typed) || !rapid.Bool().Draw(t, "answer "+q.Name()) {
				continue
			}
			options := candidates(q, f, &typed)
			texts := rapid.SampledFrom(options).Draw(t, q.Name())
			if err := q.Set(&typed, texts, ask.Typed); err != nil {
				t.Fatal(err)
			}
			given[q.Name()] = texts
		}
		for key, texts := range given {
			q, _ := interview.All.Lookup(key)
			if err := q.Set(&flags, texts, ask.Flag); err != nil {
				t.Fatal(err)
			}
		}
		data, err := interview.All.Save(nil, f, &typed)
		if err != nil {
			t.Fatal(err)
		}
		if err := interview.All.Load(data, &file); err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		want := build(&typed)
		for name, a := range map[string]*ask.Answers{"flags": &flags, "file": &file} {
			if d := cmp.Diff(want, build(a)); d != "" {
				t.Fatalf("%s make another plan (-typed +%s)\n%s\n%s", name, name, d, data)
			}
		}
	})
}
