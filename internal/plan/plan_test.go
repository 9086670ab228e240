package plan_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postseal/internal/ask"
	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/interview"
	"postseal/internal/lab"
	"postseal/internal/plan"
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
		issued = map[string]lab.Issued{"ec": ca.Issue(t, lab.Leaf{}), "rsa": ca.Issue(t, lab.Leaf{RSA: true}), "self": ca.Issue(t, lab.Leaf{SelfSigned: true})}
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

func TestDump(t *testing.T) {
	p, _ := build(t, lab.Machine(t, "3.7.11", tree(t, ageing, mailserverMaster)))
	fmt.Println(after(p, plan.MainCF))
	fmt.Println(after(p, plan.MasterCF))
	fmt.Println(after(p, plan.Answers))
	for _, c := range p.Changes {
		fmt.Printf("%s %s: %q -> %q  (%s) [%s]\n", c.Service, c.Parameter, c.Before, c.After, c.Why, c.Source)
	}
	for _, r := range p.Risks {
		fmt.Println(r.Name, r.Text)
	}
	for _, n := range p.Notes {
		fmt.Println("note", n)
	}
	for _, n := range p.Checks {
		fmt.Printf("%+v\n", n)
	}
	_ = cmp.Diff
	_ = maincf.Parse
}
