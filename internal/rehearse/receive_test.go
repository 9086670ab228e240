package rehearse_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/plan"
	"postseal/internal/rehearse"
)

// bed is a configuration directory with files beside it.
type bed struct {
	dir      string
	ec, rs   string // chain files
	ca       *lab.CA
	ecIssued lab.Issued
}

func newBed(t testing.TB) *bed {
	t.Helper()
	lab.Need(t, "postfix", "postconf", "openssl")
	lab.NeedRoot(t)
	b := &bed{dir: lab.Dir(t), ca: lab.NewCA(t)}
	b.ecIssued = b.ca.Issue(t, lab.Leaf{})
	rs := b.ca.Issue(t, lab.Leaf{RSA: true})
	b.ec = lab.Write(t, b.dir, "ec.pem", b.ecIssued.Key+b.ecIssued.Cert+b.ca.IntermediatePEM, 0o600)
	b.rs = lab.Write(t, b.dir, "rsa.pem", rs.Key+rs.Cert+b.ca.IntermediatePEM, 0o600)
	return b
}

// candidate is the configuration that these files make.
func (b *bed) candidate(t testing.TB, main, master string) rehearse.Candidate {
	t.Helper()
	conf := filepath.Join(b.dir, "conf")
	lab.Write(t, conf, "main.cf", "compatibility_level = 3.6\nmyhostname = mx.example.org\n"+main, 0o644)
	lab.Write(t, conf, "master.cf", master, 0o644)
	then := time.Now().Add(-time.Minute)
	if err := os.Chtimes(filepath.Join(conf, "main.cf"), then, then); err != nil {
		t.Fatal(err)
	}
	f, err := detect.Look(context.Background(), host.ReadOnly{Reader: host.Local{}}, conf, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return rehearse.Candidate{Config: f.Config, Checks: plan.Present(f)}
}

const plainMaster = "127.0.0.1:2525 inet n - n - - smtpd\n"

// row finds the trial of a client at a service.
func row(t *testing.T, r *rehearse.Report, service, client string) rehearse.Trial {
	t.Helper()
	for _, x := range r.Trials {
		if x.With == client && strings.HasPrefix(x.Service, service) {
			return x
		}
	}
	t.Fatalf("nobody tried %s at %s: %+v", client, service, r.Trials)
	return rehearse.Trial{}
}

// TestReceive: each client says what it got, at each kind of listener.
func TestReceive(t *testing.T) {
	b := newBed(t)
	main := "smtpd_tls_chain_files = " + b.ec + ", " + b.rs + "\nsmtpd_tls_security_level = may\nsmtpd_tls_exclude_ciphers = $away\naway = aNULL\n" +
		"smtpd_tls_protocols = >=TLSv1.2\nsmtpd_milters = inet:127.0.0.1:1\nsmtpd_recipient_restrictions = check_policy_service unix:private/none\n"
	master := `127.0.0.1:2525 inet n - y - 1 postscreen
smtpd pass - - y - - smtpd
127.0.0.1:2587 inet n - y - - smtpd
  -o smtpd_tls_security_level=encrypt -o smtpd_tls_mandatory_protocols=TLSv1.3
  -o smtpd_sasl_auth_enable=yes -o syslog_name=postfix/submission
127.0.0.1:2465 inet n - y - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_tls_ask_ccert=yes
127.0.0.1:2500 inet n - n - - smtpd -o smtpd_tls_security_level=none
127.0.0.1:2600 inet n - n - - smtpd -o smtpd_tls_security_level=encrypt -o smtpd_tls_req_ccert=yes -o smtpd_tls_CAfile=` + b.ec + `
127.0.0.1:2700 inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy -o smtpd_tls_protocols=>=TLSv1 -o { smtpd_tls_exclude_ciphers = $nothing }
`
	r, err := rehearse.Receive(context.Background(), b.candidate(t, main, master), rehearse.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if failures := r.Failures(); len(failures) > 0 {
		t.Fatalf("%+v", failures)
	}
	for _, x := range []struct{ service, client, got string }{
		{"127.0.0.1:2525", "modern", "TLS 1.3 X25519"},
		{"127.0.0.1:2525", "no SNI", "certificate of mx.example.org"},
		{"127.0.0.1:2525", "other SNI", "certificate of mx.example.org"},
		{"127.0.0.1:2525", "TLS 1.2 RSA", "RSA certificate"},
		{"127.0.0.1:2525", "TLS 1.2 ECDSA", "ECDSA certificate"},
		{"127.0.0.1:2525", "TLS 1.0/1.1", "refused, as intended"},
		{"127.0.0.1:2525", "anonymous", "refused, as intended"},
		{"127.0.0.1:2525", "aborts", "the next client is served"},
		{"127.0.0.1:2525", "slow", "TLS 1.3 X25519"},
		{"127.0.0.1:2587", "modern", "TLS 1.3 X25519"},
		{"127.0.0.1:2465", "modern", "asks for a client certificate"},
		{"127.0.0.1:2700", "anonymous", "accepted, without any certificate"},
		{"127.0.0.1:2500", "greeting", "greeted, without TLS"},
		{"127.0.0.1:2600", "modern", "disconnected without one"},
		{"127.0.0.1:2700", "TLS 1.0/1.1", "TLS 1.1 "},
	} {
		if got := row(t, r, x.service, x.client).Got; !strings.Contains(got, x.got) {
			t.Errorf("%s at %s: %q, not %q", x.client, x.service, got, x.got)
		}
	}
	t.Logf("%d trials in %s", len(r.Trials), r.Took)
}

// TestPromise: what is not as promised is a failure, though TLS works.
func TestPromise(t *testing.T) {
	b := newBed(t)
	good := "smtpd_tls_chain_files = " + b.ec + "\nsmtpd_tls_security_level = may\n"
	for name, x := range map[string]struct {
		main   string
		change func(*plan.Check)
		client string
		asks   string // the question that it leads to
	}{
		"another certificate": {good, func(c *plan.Check) { c.Serves = map[string]string{"ECDSA": "00"} }, "modern", "cert"},
		"a kind too many":     {good, func(c *plan.Check) { c.Serves = map[string]string{"RSA": "00"} }, "TLS 1.2 ECDSA", "cert"},
		"TLS 1.2 too old":     {good, func(c *plan.Check) { c.Floor = "TLSv1.3" }, "TLS 1.2", "min-protocol"},
		"a suite too many":    {good, func(c *plan.Check) { c.Excludes = []string{"RC4", "SHA1"} }, "old suites", "profile"},
		"no certificate":      {good, func(c *plan.Check) { c.Excludes = []string{"aNULL"} }, "anonymous", "profile"},
		"too old":             {good, func(c *plan.Check) { c.Floor = "TLSv1.2" }, "TLS 1.0/1.1", "min-protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			c := b.candidate(t, x.main, plainMaster)
			x.change(&c.Checks[0])
			r, err := rehearse.Receive(context.Background(), c, rehearse.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := row(t, r, "127.0.0.1:2525", x.client); got.Verdict != rehearse.Failed || got.Want == "" || got.Cause == nil || got.Cause.Question != x.asks {
				t.Errorf("%+v %+v", got, got.Cause)
			}
			leads(t, r)
		})
	}
}

// TestOrigin: a cause names the line that is to be edited, in the files as they
// stand, wherever the plan moves it.
func TestOrigin(t *testing.T) {
	b := newBed(t)
	c := b.candidate(t, "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = "+b.ec+"\nsmtpd_discard_ehlo_keywords = starttls\n",
		plainMaster)
	p := &plan.Plan{Checks: c.Checks, Files: []plan.File{{Kind: plan.MainCF, After: "# moved\n# by the plan\n" + c.Config.Main.String()}}}
	r, err := rehearse.Receive(context.Background(), rehearse.Planned(p, c.Config, nil), rehearse.Options{})
	if err != nil {
		t.Fatal(err)
	}
	failures := r.Failures()
	if len(failures) == 0 || failures[0].Cause == nil {
		t.Fatalf("%+v", r.Trials)
	}
	path, number, _ := strings.Cut(failures[0].Cause.Origin, ":")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(number)
	if lines := strings.Split(string(data), "\n"); n < 1 || n > len(lines) || !strings.HasPrefix(lines[n-1], "smtpd_discard_ehlo_keywords") {
		t.Errorf("%s is another line", failures[0].Cause.Origin)
	}
}
