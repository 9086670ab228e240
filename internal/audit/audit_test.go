package audit

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"postseal/certs"
	"postseal/internal/detect"
	"postseal/internal/domain"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/interview"
	"postseal/internal/lab"
	"postseal/internal/postfix"
	"postseal/internal/probe"
	"postseal/internal/rehearse"
)

var id = regexp.MustCompile(`^PS-(RCV|SUB|SND|CRT|PUB|CFG)-\d{3}$`)

// TestRules: every rule is whole, no number is given twice, and a cure that is an
// answer names a question.
func TestRules(t *testing.T) {
	if len(Rules) < 60 {
		t.Errorf("only %d rules", len(Rules))
	}
	seen := map[string]bool{}
	for _, r := range Rules {
		if seen[r.ID] || !id.MatchString(r.ID) {
			t.Errorf("%s: twice, or no ID", r.ID)
		}
		seen[r.ID] = true
		if r.Title == "" || r.Why == "" || r.Source == "" || r.Cure.Text == "" || r.Since == "" || r.Find == nil || !slices.Contains(Parts, r.Part) || r.Severity.String() == "" {
			t.Errorf("%s lacks something", r.ID)
		}
		if first := r.Title[:1]; strings.ToLower(first) == first && !strings.HasPrefix(r.Title, "postscreen") && !strings.HasPrefix(r.Title, "smtpd_") && !strings.HasPrefix(r.Title, "main.cf") && !strings.HasPrefix(r.Title, "compatibility_level") || strings.HasSuffix(r.Title, ".") {
			t.Errorf("%s: %q", r.ID, r.Title)
		}
		if q := r.Cure.Question; q != "" {
			if _, ok := interview.All.Lookup(q); !ok {
				t.Errorf("%s: --%s is no question", r.ID, q)
			}
		}
		for _, flag := range regexp.MustCompile(`--([a-z-]+)(?: ([^ ,:]+))?`).FindAllStringSubmatch(r.Cure.Text, -1) {
			if _, answer := interview.All.Lookup(flag[1]); (answer || flag[1] == "name") && flag[2] == "" {
				t.Errorf("%s: nobody can type %q: it lacks a value", r.ID, r.Cure)
			}
		}
	}
}

// TestLeast: a cure is the least that helps: what the usual profile excludes needs
// no stricter one.
func TestLeast(t *testing.T) {
	e := scene{main: without("smtpd_tls_exclude_ciphers = aNULL, kRSA, kDHE, SHA1, CAMELLIA, ARIA, AESCCM8\n", "smtpd_tls_exclude_ciphers"), master: router + sender}.evidence(t)
	for _, r := range []Rule{anonymousSuites, staticRSA, sha1Suites, finiteFields} {
		if hits := r.Find(e); len(hits) != 0 || r.Cure.Text != "--profile intermediate" {
			t.Errorf("%s: %v, and its cure is %s", r.ID, hits, r.Cure)
		}
	}
}

// fixture are certificates that all tests share.
var fixture struct {
	sync.Once
	ca            *lab.CA
	issued, other lab.Issued
	expired       lab.Issued
}

// scene is a server for a test.
type scene struct {
	main, master string
	version      string
	leaf         *lab.Leaf
	change       func(*detect.Facts)
	// owners and modes are those of files, where they are others than usual.
	owners map[string][2]int
	modes  map[string]os.FileMode
	// installed puts programs of Postfix on the machine.
	installed bool
	// dies is of which parameter the programs of Postfix die.
	dies string
	// silent says that no service with policies answers.
	silent bool
	// seen is what the listener showed, and failed how far it came otherwise;
	// trials are of a rehearsal.
	seen    *probe.Enumeration
	failed  error
	named   []Named
	running detect.Tri
	trials  []rehearse.Trial
	// domain is what a domain of this server publishes.
	domain *domain.Domain
	// earlier is the policy that an older card saw.
	earlier *domain.Policy
	// files stand in place of others, by path.
	files map[string]string
}

// evidence is what there is of a scene.
func (s scene) evidence(t *testing.T) *Evidence {
	t.Helper()
	e := &Evidence{Facts: look(t, s)}
	if s.seen != nil || s.failed != nil {
		e.Live = []Live{{Listener: e.Listeners[0], Seen: s.seen, Err: s.failed, Named: s.named}}
	}
	e.Running = s.running
	if s.domain != nil {
		e.Domains = []*domain.Domain{s.domain}
		if s.earlier != nil {
			before := *s.domain
			before.STS.Policy = s.earlier
			e.Earlier = []*domain.Domain{&before}
		}
	}
	if s.trials != nil {
		e.Sent = &rehearse.Report{Trials: s.trials}
	}
	return e
}

// strayMaster has a listener that dies of what stands behind a blank.
const strayMaster = "smtp inet n - n - - smtpd -o smtpd_tls_mandatory_protocols=!SSLv2, !SSLv3, !TLSv1\n" + sender

// shown is a listener that took these suites with a version.
func shown(version string, suites ...probe.Accepted) *probe.Enumeration {
	return &probe.Enumeration{Extended: true, Secure: true, Versions: []probe.Version{{Name: version, Suites: suites}}}
}

func suite(name string) probe.Accepted {
	return probe.Accepted{Suite: probe.Suite{Name: name, OpenSSL: name}}
}

const (
	router = "smtp inet n - n - - smtpd\n"
	users  = router + "submission inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_security_level=encrypt\n"
	sender = "smtp unix - - n - - smtp\n"
)

func look(t *testing.T, s scene) *detect.Facts {
	t.Helper()
	f, _ := s.machine(t)
	return f
}

// machine is the server of a scene, looked at.
func (s scene) machine(t *testing.T) (*detect.Facts, *host.Fake) {
	t.Helper()
	fixture.Do(func() { // a key of this size takes its time
		fixture.ca = lab.NewCA(t)
		fixture.issued = fixture.ca.Issue(t, lab.Leaf{RSA: true, RSABits: 3072, NotBefore: lab.Noon.AddDate(0, 0, -10), NotAfter: lab.Noon.AddDate(0, 0, 80)})
		fixture.other = fixture.ca.Issue(t, lab.Leaf{RSA: true})
		fixture.expired = fixture.ca.Issue(t, lab.Leaf{Names: []string{"shop.example.com"}, NotBefore: lab.Noon.AddDate(0, 0, -90), NotAfter: lab.Noon.AddDate(0, 0, -1)})
	})
	ca, issued := fixture.ca, fixture.issued
	if s.leaf != nil {
		issued = ca.Issue(t, *s.leaf)
	}
	files := map[string]string{
		"main.cf":   "compatibility_level = 3.6\nmyhostname = mx.example.org\nrelay_domains = example.org\n" + s.main,
		"master.cf": s.master, "/c/chain.pem": issued.Key + issued.Cert + ca.IntermediatePEM, "/c/cert.pem": issued.Cert + ca.IntermediatePEM, "/c/key.pem": issued.Key,
		"/c/alone.pem": issued.Cert, "/c/intermediate.pem": ca.IntermediatePEM, "/c/expired.pem": fixture.expired.Cert + ca.IntermediatePEM, "/c/expired.key": fixture.expired.Key,
		"/c/other.pem": fixture.other.Key, "/c/leaf.pem": issued.Key + issued.Cert, "/c/few.pem": ca.RootPEM, "/c/mixed.pem": issued.Key + issued.Cert + ca.RootPEM + ca.IntermediatePEM,
		"/etc/ssl/certs/ca-certificates.crt": ca.RootPEM, "/c/policy": "[relay.example.net]:587 secure\n", "/c/other": "example.com secure\n",
	}
	maps.Copy(files, s.files)
	if s.version == "" {
		s.version = "3.10.13"
	}
	m := lab.Machine(t, s.version, files)
	if s.dies != "" {
		m.Programs["postconf -c /etc/postfix -m"] = host.Output{Code: 1, Stderr: "postconf: fatal: file /etc/postfix/main.cf: parameter " + s.dies + "\n"}
	}
	if s.silent {
		table := "socketmap:inet:127.0.0.1:8461:postfix"
		m.Programs["postmap -c /etc/postfix -q postseal.invalid "+table] = host.Output{Code: 1, Stderr: "postmap: warning: connect to 127.0.0.1:8461: Connection refused\npostmap: fatal: table " + table + ": query error: Connection refused\n"}
	}
	for _, name := range []string{"master", "smtpd", "smtp"} {
		if s.installed {
			lab.Write(t, m.Root, "/usr/lib/postfix/sbin/"+name, "", 0o755)
		}
	}
	s.protect(t, m.Root)
	f, err := detect.Look(context.Background(), host.ReadOnly{Reader: m}, "/etc/postfix", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	f.InspectCA(host.ReadOnly{Reader: lab.Machine(t, "", files)}, f.Config.Text(nil, "smtp_tls_CAfile"))
	if s.change != nil {
		s.change(f)
	}
	return f, m
}

// protect gives files below root the owners and modes of the scene.
func (s scene) protect(t *testing.T, root string) {
	t.Helper()
	if len(s.owners) > 0 {
		lab.NeedRoot(t)
	}
	for path, o := range s.owners {
		if err := os.Chown(filepath.Join(root, path), o[0], o[1]); err != nil {
			t.Fatal(err)
		}
	}
	for path, mode := range s.modes {
		if err := os.Chmod(filepath.Join(root, path), mode); err != nil {
			t.Fatal(err)
		}
	}
}

// wwwData is an account, and a group, of Debian's base-passwd.
const wwwData = 33

const good = "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = /c/chain.pem\nsmtpd_tls_protocols = >=TLSv1.2\nsmtpd_tls_mandatory_protocols = >=TLSv1.2\n" +
	"smtpd_tls_exclude_ciphers = aNULL, kRSA, kDHE, SHA1, SHA256, SHA384, CAMELLIA, ARIA, AESCCM8\nsmtpd_tls_loglevel = 1\nsmtpd_tls_received_header = yes\nsmtpd_tls_auth_only = yes\n" +
	"smtp_tls_security_level = may\nsmtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt\nsmtp_tls_loglevel = 1\ntls_eecdh_auto_curves = X25519MLKEM768 X25519\n"

// well are facts that a fake machine cannot have.
func well(f *detect.Facts) {
	f.Resolver.Validates = detect.Unknown
	for i := range f.Certificates {
		f.Certificates[i].Owner = "certbot"
	}
	f.CAFiles = nil
	f.Lifecycle.Branches = slices.Clone(f.Lifecycle.Branches)
	for i, b := range f.Lifecycle.Branches {
		if b.Branch == "3.10" {
			f.Lifecycle.Branches[i].Newest = "3.10.13" // the release of most scenes
		}
	}
}

// without takes settings out of the good configuration, and with puts others in.
func without(with string, names ...string) string {
	var out []string
	for _, l := range strings.Split(good, "\n") {
		if name, _, _ := strings.Cut(l, " "); !slices.Contains(names, name) {
			out = append(out, l)
		}
	}
	return strings.Join(out, "\n") + with
}

// TestGood: a server that does all of it has nothing to be told, and an A in
// every part; no rule finds something where there is nothing.
func TestGood(t *testing.T) {
	for name, master := range map[string]string{
		"router":     router + sender,
		"mailserver": users + "submissions inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_sasl_auth_enable=yes\n" + sender,
	} {
		c := Audit(&Evidence{Facts: look(t, scene{main: good, master: master, change: well})})
		for _, f := range c.Findings {
			t.Errorf("%s: %s %s: %v", name, f.ID, f.Title, f.Hits)
		}
		for _, g := range c.Grades {
			if (g.Letter != "A" || g.Points != 100) && (g.Part != Publishing || g.Letter != Unjudged) {
				t.Errorf("%s: %+v", name, g)
			}
		}
	}
}

// promise is a domain with this server as its MX, and a policy.
func promise(mx string, s domain.STS) *domain.Domain {
	if s.Policy != nil {
		s.Policy.MX = []string{mx}
	}
	named := mx == "mx.example.org"
	d := &domain.Domain{Name: "example.org", STS: s, MX: []domain.MX{{Name: "mx.example.org"}}}
	if s.Policy != nil {
		d.MX[0].Promised = &named
	}
	return d
}

func follow(mode string, age int) domain.STS {
	return domain.STS{Record: "v=STSv1; id=1", ID: "1", Policy: &domain.Policy{Mode: mode, MaxAge: age}}
}

// untrusted says that the certificate for the first server is not valid.
func untrusted(d *domain.Domain) *domain.Domain {
	d.MX[0].Trusted, d.MX[0].Untrusted = new(bool), "x509: certificate signed by unknown authority"
	return d
}

// renewed puts a certificate beside the one that is shown, for the same names and
// a day younger, which certbot renews and which lives so many days longer.
func renewed(days int) func(*detect.Facts) {
	return func(f *detect.Facts) {
		well(f)
		c := f.Certificates[0]
		c.Server, c.Chain, c.Fingerprint = false, "/etc/letsencrypt/live/mx/fullchain.pem", "0"
		c.NotBefore, c.NotAfter = c.NotBefore.AddDate(0, 0, 1), c.NotAfter.AddDate(0, 0, days)
		f.Certificates[0].Owner = ""
		f.Certificates = append(f.Certificates, c)
	}
}

// unnamed says that the records of the first server name not all that it shows.
func unnamed(d *domain.Domain) *domain.Domain {
	d.MX[0].DANE.Kept = new(bool)
	return d
}

// TestPromises: a domain that promises what is kept has nothing to be told.
func TestPromises(t *testing.T) {
	d := promise("mx.example.org", follow(domain.Enforce, 1209600))
	d.Reports = domain.Reports{Record: "v=TLSRPTv1; rua=mailto:a@example.org", To: []string{"mailto:a@example.org"}}
	e := scene{main: good, master: router + sender, change: well, domain: d}.evidence(t)
	for _, f := range Audit(e).Findings {
		t.Errorf("%s %v", f.ID, f.Hits)
	}
}

// scenes are servers that are otherwise well, one for each rule to find what it is for.
func scenes() map[string]scene {
	cert := func(change func(*detect.Certificate)) func(*detect.Facts) {
		return func(f *detect.Facts) {
			well(f)
			for i := range f.Certificates {
				change(&f.Certificates[i])
			}
		}
	}
	validates := func(v detect.Tri) func(*detect.Facts) {
		return func(f *detect.Facts) { well(f); f.Resolver.Validates = v }
	}
	lvl := func(level string) string {
		return without("\nsmtp_tls_security_level = "+level+"\n", "smtp_tls_security_level")
	}
	both := router + sender
	all := map[string]scene{
		"PS-RCV-001": {main: without("smtpd_tls_security_level = none\n", "smtpd_tls_security_level")},
		"PS-RCV-002": {main: without("smtpd_tls_security_level = encrypt\n", "smtpd_tls_security_level")},
		"PS-RCV-003": {main: without("smtpd_tls_protocols = >=TLSv1\nsmtpd_tls_exclude_ciphers = aNULL\n", "smtpd_tls_protocols", "smtpd_tls_exclude_ciphers")},
		"PS-RCV-004": {main: without("smtpd_tls_protocols = >=TLSv1.3\n", "smtpd_tls_protocols")},
		"PS-RCV-005": {main: without("smtpd_tls_exclude_ciphers = kRSA\n", "smtpd_tls_exclude_ciphers")},
		"PS-RCV-006": {main: without("smtpd_tls_exclude_ciphers = aNULL\n", "smtpd_tls_exclude_ciphers")},
		"PS-RCV-007": {main: without("smtpd_tls_exclude_ciphers = aNULL\n", "smtpd_tls_exclude_ciphers")},
		"PS-RCV-008": {main: without("smtpd_tls_exclude_ciphers = aNULL\n", "smtpd_tls_exclude_ciphers")},
		"PS-RCV-009": {main: without("", "smtpd_tls_loglevel")},
		"PS-RCV-010": {main: without("", "smtpd_tls_received_header")},
		"PS-RCV-011": {main: good, leaf: &lab.Leaf{NotBefore: lab.Noon.AddDate(0, 0, -10), NotAfter: lab.Noon.AddDate(0, 0, 80)}},
		"PS-RCV-012": {main: without("smtpd_tls_exclude_ciphers = aRSA\n", "smtpd_tls_exclude_ciphers")},
		"PS-RCV-013": {main: good + "smtpd_tls_ask_ccert = yes\n"},
		"PS-RCV-014": {main: without("smtpd_tls_security_level = encrypt\nsmtpd_tls_req_ccert = yes\n", "smtpd_tls_security_level")},
		"PS-RCV-015": {main: good + "smtpd_tls_CAfile = /c/few.pem\n"},
		"PS-RCV-016": {version: "3.7.11", main: good + "smtpd_tls_ciphers = export\n"},
		"PS-RCV-017": {main: good + "tls_medium_cipherlist = HIGH\n"},
		"PS-RCV-018": {main: without("tls_eecdh_auto_curves = X25519 prime256v1\n", "tls_eecdh_auto_curves")},
		"PS-RCV-019": {main: good + "smtpd_discard_ehlo_keywords = chunking, STARTTLS\n"},
		"PS-RCV-020": {main: good + "tls_preempt_cipherlist = yes\n"},
		"PS-RCV-021": {main: good + "postscreen_tls_security_level = none\n", master: "smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n" + sender},
		"PS-RCV-022": {main: good + "smtpd_client_new_tls_session_rate_limit = 5\n"},
		"PS-RCV-023": {main: good, master: "smtp inet n - n - - smtpd -o smtpd_tls_protocols=>=TLSv1\n" + sender},
		"PS-RCV-024": {main: good, failed: &probe.Error{Stage: probe.STARTTLS, Err: errors.New("454 4.7.0 TLS not available")}},
		"PS-RCV-025": {main: good, failed: &probe.Error{Stage: probe.STARTTLS, Err: probe.ErrNotOffered}},
		"PS-RCV-026": {main: good, seen: &probe.Enumeration{Injected: new(true)}},
		"PS-RCV-027": {main: good, seen: shown("TLS 1.2", suite("TLS_RSA_WITH_RC4_128_SHA"))},
		"PS-RCV-028": {main: good, seen: shown("TLS 1.2", probe.Accepted{Suite: probe.Suite{Name: "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"}, DHBits: 1024})},
		"PS-RCV-029": {main: good, seen: &probe.Enumeration{Versions: []probe.Version{{Name: "TLS 1.2"}}}},
		"PS-RCV-030": {main: good, seen: &probe.Enumeration{Compressed: true}},
		"PS-RCV-031": {main: good, seen: shown("TLS 1.2", suite("TLS_RSA_WITH_AES_128_GCM_SHA256"))},
		"PS-RCV-032": {main: good, seen: shown("SSL 3.0")},
		"PS-RCV-033": {main: good, failed: &probe.Error{Stage: probe.Connecting, Err: errors.New("connection refused")}},
		"PS-RCV-034": {main: without("", "smtpd_tls_protocols")},
		"PS-RCV-035": {main: without("smtpd_tls_protocols = !SSLv2, !SSLv3, !TLSv1.1\n", "smtpd_tls_protocols")},
		"PS-RCV-036": {main: good, failed: &probe.Error{Stage: probe.Greeting, Err: os.ErrDeadlineExceeded}},
		"PS-RCV-037": {main: good, failed: &probe.Error{Stage: probe.Connecting, Err: syscall.ECONNREFUSED}, running: detect.Yes},
		"PS-RCV-038": {main: good + "tls_server_sni_maps = hash:/nonexistent/sni\n"},
		"PS-RCV-039": {main: good + "relay_clientcerts = hash:/nonexistent/certs\n"},
		"PS-RCV-040": {main: good, seen: shown("TLS 1.2", suite("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")), named: []Named{{Name: "mx.example.org", Ours: true, Err: &probe.Error{Stage: probe.Handshaking, Err: errors.New("alert 80")}}}},
		"PS-RCV-041": {main: good, seen: shown("TLS 1.2"), named: []Named{{Name: "mx.example.org", Ours: true, Certs: []*x509.Certificate{{DNSNames: []string{"www.example.org"}}}}}},
		"PS-RCV-042": {main: good + "smtpd_tls_ask_ccert = yes\n"},
		"PS-RCV-043": {main: good, master: router + "192.0.2.1:2525 inet n - n - - smtpd -o smtpd_tls_security_level=none\n" + sender},
		"PS-RCV-044": {main: good, master: "smtp inet n - n - - smtpd -o smtpd_tls_loglevel=2\n" + sender},
		"PS-RCV-045": {main: good, seen: &probe.Enumeration{Versions: []probe.Version{{Name: "TLS 1.2", Signatures: []string{"rsa_pkcs1_sha256", "rsa_pkcs1_sha1"}}}}},
		"PS-RCV-046": {main: good, seen: &probe.Enumeration{Anew: new(true)}},
		"PS-RCV-047": {main: good, seen: &probe.Enumeration{Versions: []probe.Version{{Name: "TLS 1.2"}}}},
		"PS-RCV-052": {main: good + "smtpd_tls_ask_ccert = yes\nsmtpd_tls_CAfile = /c/few.pem\nsmtpd_relay_restrictions = permit_mynetworks, permit_tls_all_clientcerts, reject_unauth_destination\n", change: func(*detect.Facts) {}},
		"PS-RCV-060": {main: good + "smtpd_client_restrictions = permit_mynetworks, reject_plaintext_session\n"},
		"PS-RCV-061": {main: good, master: "smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n" + sender},
		"PS-SUB-031": {main: good, master: strings.ReplaceAll(users, " -o smtpd_tls_security_level=encrypt", "") + sender},
		"PS-SUB-001": {main: without("", "smtpd_tls_auth_only"), master: strings.ReplaceAll(users, " -o smtpd_tls_security_level=encrypt", "") + sender},
		"PS-SUB-002": {main: without("", "smtpd_tls_auth_only"), master: "smtp inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes\n" + sender},
		"PS-SUB-003": {main: good, master: users + sender},
		"PS-RCV-070": {main: without("smtpd_tls_protocols = TLSv1\n", "smtpd_tls_protocols")},
		"PS-SND-070": {main: good + "smtp_tls_protocols = TLSv1\nsmtp_tls_exclude_ciphers = SHA1\n"},
		"PS-SUB-004": {main: without("smtpd_tls_mandatory_protocols = >=TLSv1\nsmtpd_tls_exclude_ciphers = aNULL\n", "smtpd_tls_mandatory_protocols", "smtpd_tls_exclude_ciphers"), master: users + sender},
		"PS-SUB-005": {main: good + "smtpd_sasl_auth_enable = yes\n", master: users + sender},
		"PS-SND-001": {main: lvl("none")},
		"PS-SND-002": {main: lvl("encrypt")},
		"PS-SND-003": {main: lvl("secure")},
		"PS-SND-004": {main: lvl("dane") + "smtp_dns_support_level = dnssec\n", change: validates(detect.No)},
		"PS-SND-005": {main: good, change: validates(detect.Yes)},
		"PS-SND-006": {main: without("", "smtp_tls_CAfile")},
		"PS-SND-007": {main: without("smtp_tls_CAfile = /nonexistent\n", "smtp_tls_CAfile")},
		"PS-SND-008": {main: without("smtp_tls_CAfile = /c/few.pem\n", "smtp_tls_CAfile"), change: func(*detect.Facts) {}},
		"PS-SND-009": {main: without("smtp_tls_CApath = /nonexistent\n", "smtp_tls_CAfile"), master: router + "smtp unix - - y - - smtp\n"},
		"PS-SND-010": {main: good + "smtp_tls_protocols = >=TLSv1.2\n"},
		"PS-SND-011": {main: good + "smtp_tls_exclude_ciphers = aNULL, kRSA\n"},
		"PS-SND-012": {main: good + "smtp_tls_chain_files = /c/chain.pem\n", change: func(f *detect.Facts) { well(f); f.Wanted = detect.Wanted{Seen: true, Sent: 9, Told: 9} }},
		"PS-SND-013": {main: good + "smtp_tls_chain_files = /c/chain.pem\n"},
		"PS-SND-014": {main: without("", "smtp_tls_loglevel")},
		"PS-SND-015": {main: lvl("encrypt") + "relayhost = [relay.example.net]:587\nsmtp_sasl_auth_enable = yes\n"},
		"PS-SND-016": {main: good + "smtp_tls_wrappermode = yes\n"},
		"PS-SND-017": {main: good + "smtp_tls_policy_maps = hash:/etc/postfix/policy\n"},
		"PS-SND-018": {main: good + "smtp_tls_per_site = hash:/etc/postfix/site\n"},
		"PS-SND-019": {main: good + "smtp_tls_fingerprint_digest = md5\nsmtp_tls_policy_maps = static:fingerprint\n"},
		"PS-SND-020": {main: lvl("encrypt") + "content_filter = amavis:[127.0.0.1]:10024\n", master: both + "amavis unix - - n - - smtp\n"},
		"PS-SND-021": {main: good + "smtp_cname_overrides_servername = yes\n"},
		"PS-SND-022": {main: lvl("encrypt"), master: both + "relay unix - - n - - smtp -o smtp_tls_security_level=may\n"},
		"PS-SND-023": {main: good, trials: []rehearse.Trial{{Verdict: rehearse.Failed, Text: "all right", Got: "held back", Cause: &rehearse.Cause{Text: "why"}}}},
		"PS-SND-024": {main: good, trials: []rehearse.Trial{{Verdict: rehearse.Fine, Outcome: rehearse.Encrypted}, {Verdict: rehearse.Noted, Outcome: rehearse.InClear, Text: "STARTTLS taken out", Got: "delivered in cleartext"}}},
		"PS-SND-025": {main: good, trials: []rehearse.Trial{{Verdict: rehearse.Noted, Text: "a policy", Got: "held back", Cause: &rehearse.Cause{Text: "why", Parameter: "smtp_tls_CAfile"}}}},
		"PS-SND-026": {main: without("smtp_tls_CAfile = /c/cert.pem\n", "smtp_tls_CAfile"), change: func(*detect.Facts) {}},
		"PS-SND-027": {main: good, master: both + "out unix - - n - - smtp -o smtp_tls_security_level=none\n"},
		"PS-SND-028": {main: good + "smtp_tls_note_starttls_offer = yes # log it\n"},
		"PS-SND-029": {main: good + "smtp_tls_protocols = >=TLS1.2\n"},
		"PS-SND-030": {main: good + "smtp_tls_policy_maps = hash:/nonexistent/policy\n"},
		"PS-SND-031": {main: lvl("dane")},
		"PS-SND-032": {main: lvl("encrypt") + "smtp_tls_protocols = >=TLSv1.3\n"},
		"PS-SND-033": {main: good + "lmtp_tls_security_level = encrypt\nvirtual_transport = lmtp:unix:private/dovecot-lmtp\n", master: both + "lmtp unix - - n - - lmtp\n"},
		"PS-SND-034": {main: good + "smtp_tls_cert_file = /nonexistent.pem\n"},
		"PS-SND-035": {main: lvl("encrypt") + "relayhost = [relay.example.net]:465\n"},
		"PS-SND-036": {main: lvl("encrypt") + "relayhost = [relay.example.net]:587\nsmtp_tls_wrappermode = yes\n"},
		"PS-SND-037": {main: good + "smtp_tls_protocols = !SSLv2, !SSLv3, !TLSv1.1\n"},
		"PS-SND-038": {main: good + "smtp_tls_policy_maps = static:encypt\n"},
		"PS-SND-071": {main: good, master: sender, change: func(f *detect.Facts) { well(f); f.Resolver.Validates = detect.No }},
		"PS-SND-072": {main: good, master: sender, change: func(f *detect.Facts) {
			well(f)
			f.Exceptions = []detect.Exception{{Domain: "a.test", Until: f.Now.AddDate(0, 0, -1)}, {Domain: "b.test", Until: f.Now.AddDate(0, 0, 1)}}
		}},
		"PS-SND-073": {main: good + "smtp_tls_policy_maps = socketmap:inet:127.0.0.1:8642:QUERYwithTLSRPT\n", master: sender, version: "3.7.11"},
		"PS-SND-039": {main: good + "smtp_tls_policy_maps = socketmap:inet:127.0.0.1:8461:postfix\n", silent: true},
		"PS-SND-040": {main: good + "default_privs = root\n", dies: "default_privs: user root has privileged user ID"},
		"PS-CRT-001": {main: without("", "smtpd_tls_chain_files")},
		"PS-CRT-002": {main: good, leaf: &lab.Leaf{RSA: true, NotBefore: lab.Noon.AddDate(0, 0, -90), NotAfter: lab.Noon.AddDate(0, 0, -1)}},
		"PS-CRT-003": {main: good, leaf: &lab.Leaf{RSA: true, NotBefore: lab.Noon.AddDate(0, 0, -80), NotAfter: lab.Noon.AddDate(0, 0, 9)}},
		"PS-CRT-004": {main: without("smtpd_tls_chain_files = /c/leaf.pem\n", "smtpd_tls_chain_files"), leaf: &lab.Leaf{RSA: true, Extension: issuer, NotBefore: lab.Noon.AddDate(0, 0, -10), NotAfter: lab.Noon.AddDate(0, 0, 80)}},
		"PS-CRT-019": {main: without("smtpd_tls_chain_files = /c/leaf.pem\n", "smtpd_tls_chain_files")},
		"PS-CRT-020": {main: good, change: renewed(90)},
		"PS-CRT-005": {main: good, leaf: &lab.Leaf{RSA: true, Names: []string{"www.example.org"}, NotBefore: lab.Noon.AddDate(0, 0, -10), NotAfter: lab.Noon.AddDate(0, 0, 80)}},
		"PS-CRT-006": {main: good, leaf: &lab.Leaf{RSA: true, SelfSigned: true, NotBefore: lab.Noon.AddDate(0, 0, -10), NotAfter: lab.Noon.AddDate(0, 0, 80)}},
		"PS-CRT-007": {main: without("smtpd_tls_cert_file = /c/cert.pem\nsmtpd_tls_key_file = /c/other.pem\n", "smtpd_tls_chain_files")},
		"PS-CRT-008": {main: without("smtpd_tls_chain_files = /nonexistent.pem\n", "smtpd_tls_chain_files")},
		"PS-CRT-009": {main: good, leaf: &lab.Leaf{RSA: true, RSABits: 1024, NotBefore: lab.Noon.AddDate(0, 0, -10), NotAfter: lab.Noon.AddDate(0, 0, 80)}},
		"PS-CRT-010": {main: good, leaf: &lab.Leaf{RSA: true, NotBefore: lab.Noon.AddDate(0, 0, -10), NotAfter: lab.Noon.AddDate(0, 0, 80)}},
		"PS-CRT-011": {main: good, change: cert(func(c *detect.Certificate) { c.ServerUse = false })},
		"PS-CRT-012": {main: good, change: func(f *detect.Facts) { well(f); f.Sample = f.Certificates[0].Fingerprint }},
		"PS-CRT-013": {main: good, change: cert(func(c *detect.Certificate) { c.Owner = "" })},
		"PS-CRT-014": {main: without("smtpd_tls_cert_file = /c/cert.pem\nsmtpd_tls_key_file = /c/key.pem\n", "smtpd_tls_chain_files")},
		"PS-CRT-015": {main: good, seen: &probe.Enumeration{Certificates: []probe.Leaf{{Fingerprint: strings.Repeat("0", 64)}}}},
		"PS-CRT-016": {main: good, leaf: &lab.Leaf{RSA: true, Extension: stapled, NotBefore: lab.Noon.AddDate(0, 0, -10), NotAfter: lab.Noon.AddDate(0, 0, 80)}},
		"PS-CRT-017": {main: good, change: func(f *detect.Facts) { well(f); f.PEM["/c/chain.pem"].Certs[0].SignatureAlgorithm = x509.SHA1WithRSA }},
		"PS-CRT-018": {main: without("smtpd_tls_chain_files = /c/mixed.pem\n", "smtpd_tls_chain_files")},
		"PS-PUB-001": {main: good, change: func(f *detect.Facts) { validates(detect.Yes)(f); f.DANE, f.Unanswered = nil, nil }},
		"PS-PUB-002": {main: good, change: func(f *detect.Facts) { well(f); f.Unproved = []string{"mx.example.org"} }},
		"PS-PUB-003": {main: good, change: func(f *detect.Facts) { well(f); f.TLSA = wrongTLSA }},
		"PS-PUB-031": {main: good, change: func(f *detect.Facts) { well(f); f.TLSA = webTLSA }},
		"PS-PUB-032": {main: good, change: func(f *detect.Facts) {
			well(f)
			r := certs.TLSA{Usage: 3, Matching: 0, Data: f.PEM["/c/chain.pem"].Certs[0].Raw}
			f.TLSA = map[string][]certs.TLSA{"mx.example.org": {r}}
		}},
		"PS-PUB-004": {main: good, domain: promise("", domain.STS{})},
		"PS-PUB-005": {main: good, domain: promise("", domain.STS{Record: "v=STSv1; id=1", Problem: "the policy: 404"})},
		"PS-PUB-006": {main: good, domain: promise("mx.example.net", follow(domain.Enforce, 604800))},
		"PS-PUB-007": {main: good, domain: promise("mx.example.org", follow(domain.Testing, 604800))},
		"PS-PUB-008": {main: good, domain: promise("mx.example.org", follow(domain.Enforce, 86400))},
		"PS-PUB-009": {main: good, domain: untrusted(promise("mx.example.org", follow(domain.Enforce, 604800)))},
		"PS-PUB-010": {main: good, domain: promise("", domain.STS{})},
		"PS-PUB-011": {main: good, domain: &domain.Domain{Name: "example.org", Reports: domain.Reports{Record: "v=TLSRPTv1", Problem: "rua is missing"}}},
		"PS-PUB-012": {main: good, domain: promise("", domain.STS{Record: "v=STSv1; id=1", Problem: "the policy: timeout", Unseen: true})},
		"PS-PUB-033": {main: good, domain: promise("mx.example.org", follow(domain.Enforce, 604800)), earlier: &domain.Policy{Mode: domain.Enforce, MaxAge: 604800, MX: []string{"old.example.org"}}},
		"PS-CFG-001": {main: without("smtpd_tls_security_level = maye\n", "smtpd_tls_security_level")},
		"PS-CFG-002": {main: without("smtpd_tls_protocols = >=TLS1.2\n", "smtpd_tls_protocols")},
		"PS-CFG-003": {main: good + "smtpd_use_tls = yes\n"},
		"PS-CFG-004": {main: good + "smtpd_tls_securty_level = may\n"},
		"PS-CFG-005": {main: good + "smtpd_tls_cert_file = /c/cert.pem\nsmtpd_tls_key_file = /c/key.pem\n"},
		"PS-CFG-006": {main: good + "smtpd_tls_session_cache_database = berkeley:/x\n"},
		"PS-CFG-013": {main: good + "smtp_tls_CApath = /etc/ssl/certs # all\n"},
		"PS-CFG-014": {main: good + "# next\n  smtpd_tls_ask_ccert = no\n"},
		"PS-CFG-015": {main: good + "smtpd_tls_loglevel = 0\n"},
		"PS-CFG-016": {main: good, master: "smtp inet n - n - - smtpd -o smtpd_tls_session_cache_database=btree:x\n" + sender},
		"PS-CFG-017": {main: good, change: func(f *detect.Facts) { well(f); f.Edited, f.Reloaded = f.Now, f.Now.Add(-time.Hour) }},
		"PS-CFG-018": {main: good + "lmtp_tls_note_starttls_offer = on\n", master: both + "lmtp unix - - n - - lmtp\n"},
		"PS-CFG-007": {main: good, change: func(f *detect.Facts) {
			well(f)
			f.Managers = []detect.Manager{{Name: "mailcow", Evidence: "a file", Overwrites: true}}
		}},
		"PS-CFG-010": {main: good + "compatibility_level = 2\n"},
		"PS-CFG-012": {main: good + "smtpd_tls_received_header = yes", change: func(f *detect.Facts) { well(f); f.Config.Version = postfix.V(3, 10, 1) }},
		"PS-CFG-011": {main: good, change: func(f *detect.Facts) { well(f); f.Config.Version = postfix.V(3, 10, 3) }},
		"PS-CFG-008": {main: good, version: "3.7.11"},
		"PS-CFG-019": {main: good, modes: map[string]os.FileMode{"/etc/postfix/main.cf": 0o666}},
		"PS-CFG-020": {main: good, owners: map[string][2]int{"/etc/postfix": {0, wwwData}}, modes: map[string]os.FileMode{"/etc/postfix": 0o775}},
		"PS-CFG-021": {main: good + "smtp_tls_policy_maps = texthash:/c/policy\n", modes: map[string]os.FileMode{"/c/policy": 0o666}},
		"PS-CFG-022": {main: good + "virtual_mailbox_maps = texthash:/c/other\n", owners: map[string][2]int{"/c/other": {wwwData, 0}}},
		"PS-CFG-032": {main: good, master: strayMaster},
		"PS-CFG-040": {main: good + "default_privs = root\n", dies: "default_privs: user root has privileged user ID"},
		"PS-CFG-050": {main: good + "smtp_tls_CApath = /none\n"},
		"PS-CFG-033": {main: good, master: both + "scan unix - - n - - smtppickup\n", installed: true},
		"PS-CFG-041": {main: good + "smtpd_proxy_filter = 127.0.0.1:10024\n"},
		"PS-CRT-021": {main: good, modes: map[string]os.FileMode{"/c/chain.pem": 0o644}},
		"PS-CRT-022": {main: good, owners: map[string][2]int{"/c/chain.pem": {wwwData, 0}}},
		"PS-CRT-024": {main: good, change: func(f *detect.Facts) {
			well(f)
			f.StaleMaps = []detect.StaleMap{{Table: "hash:/etc/postfix/sni", Keys: []string{"mx.example.org"}}}
		}},
		"PS-CRT-023": {main: good, owners: map[string][2]int{"/c/chain.pem": {0, wwwData}}, modes: map[string]os.FileMode{"/c/chain.pem": 0o640}},
		"PS-CFG-023": {main: good, change: func(f *detect.Facts) { well(f); f.Lifecycle.AsOf = f.Now.AddDate(-1, 0, -2).Format(time.DateOnly) }},
		"PS-CFG-009": {main: good, version: "3.5.25"},
	}
	for id, s := range all {
		if s.master == "" {
			s.master = both
		}
		if s.change == nil {
			s.change = well
		}
		all[id] = s
	}
	return all
}

// TestFinds: each rule finds what it is for.
func TestFinds(t *testing.T) {
	scenes := scenes()
	for _, r := range Rules {
		t.Run(r.ID, func(t *testing.T) {
			s, ok := scenes[r.ID]
			if !ok {
				t.Fatal("nobody has seen this rule find anything")
			}
			e := s.evidence(t)
			if !r.Applies(e) {
				t.Fatal("it does not apply")
			}
			hits := r.Find(e)
			if len(hits) == 0 {
				t.Fatal("it finds nothing")
			}
			for _, h := range hits {
				if strings.TrimSpace(h.Detail) == "" || len(h.Detail) > 300 {
					t.Errorf("%q", h.Detail)
				}
			}
		})
	}
}

// TestGrade: points are what the findings cost, once each, and never below 0.
func TestGrade(t *testing.T) {
	rule := func(n int, s Severity) Finding {
		return Finding{Rule: Rule{ID: fmt.Sprint(n), Part: Sending, Severity: s, Title: "x"}, Hits: []Hit{{}, {}}}
	}
	for _, x := range []struct {
		findings []Finding
		points   int
		letter   string
	}{
		{nil, 100, "A"},
		{[]Finding{rule(1, Low), rule(2, Low), rule(3, Note)}, 94, "A"},
		{[]Finding{rule(1, Medium), rule(2, Low)}, 87, "B"},
		{[]Finding{rule(1, High), rule(2, Medium)}, 65, "C"},
		{[]Finding{rule(1, Critical)}, 30, "F"},
		{[]Finding{rule(1, Critical), rule(2, Critical)}, 0, "F"},
	} {
		g := Card{Findings: x.findings}.grade(Sending)
		if g.Points != x.points || g.Letter != x.letter {
			t.Errorf("%+v, not %d %s", g, x.points, x.letter)
		}
	}
	if g := (Card{Findings: []Finding{rule(1, Critical)}}).grade(Receiving); g.Points != 100 {
		t.Errorf("another part's finding counts: %+v", g)
	}
}

// TestBasis: what nobody saw is neither graded nor said to have been seen.
func TestBasis(t *testing.T) {
	part := func(s scene, p Part) Grade {
		c := Audit(s.evidence(t))
		return c.Grades[slices.Index(Parts, p)]
	}
	mute := scene{main: good, master: router + sender, failed: &probe.Error{Stage: probe.Greeting, Err: os.ErrDeadlineExceeded}}
	if g := part(mute, Receiving); !strings.Contains(g.Basis, "alone") || strings.Contains(g.Basis, " 0 ") || g.Letter != "F" {
		t.Errorf("%+v", g)
	}
	sendOnly := scene{main: without("smtpd_tls_security_level = none\n", "smtpd_tls_chain_files", "smtpd_tls_security_level"), master: sender}
	if g := part(sendOnly, Certificates); g.Letter != Unjudged || !strings.HasPrefix(g.Basis, "nothing") {
		t.Errorf("%+v", g)
	}
	if g := part(scene{main: good + "smtpd_use_tls = yes\ninet_interfaces = loopback-only\nrelay_domains =\nmydestination = localhost\n", master: router + sender}, Receiving); g.Letter != Unjudged || len(g.Lost) != 0 || !strings.HasPrefix(g.Basis, "nothing") {
		t.Errorf("a part that is judged by nothing has a grade: %+v", g)
	}
	if g := part(scene{main: without("", "smtpd_tls_chain_files"), master: router + sender}, Certificates); g.Letter != "F" {
		t.Errorf("%+v", g)
	}
	if g := part(scene{main: without("smtpd_tls_security_level = none\n", "smtpd_tls_chain_files", "smtpd_tls_security_level"), master: router + sender}, Certificates); g.Letter != Unjudged {
		t.Errorf("no certificate, and no TLS that needs one: %+v", g)
	}
}

// issuer is the extension that says where the issuer can be had (RFC 5280,
// section 4.2.2.1).
var issuer = func() pkix.Extension {
	value, err := asn1.Marshal([]struct {
		Method   asn1.ObjectIdentifier
		Location asn1.RawValue
	}{{asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 2}, asn1.RawValue{Class: 2, Tag: 6, Bytes: []byte("http://ca.example.org/i.crt")}}})
	if err != nil {
		panic(err)
	}
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}, Value: value}
}()

// stapled is the extension that asks for an OCSP answer (RFC 7633).
var stapled = pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}, Value: []byte{0x30, 3, 2, 1, 5}}

// TestSuppress: what is suppressed costs no points and is counted, until its
// day is over.
func TestSuppress(t *testing.T) {
	f := look(t, scene{main: without("", "smtpd_tls_loglevel"), master: router + sender, change: well})
	day := f.Now.Truncate(24 * time.Hour)
	parse := func(text string) Suppression {
		s, err := ParseSuppression(text, f.Now)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	today := parse("PS-RCV-009 until " + day.Format(time.DateOnly) + ": the journal is full")
	if c := Audit(&Evidence{Facts: f}, today); len(c.Findings) != 0 || len(c.Suppressed) != 1 || c.Suppressed[0].Suppressed.Reason != "the journal is full" || c.Grades[0].Points != 100 || c.Grades[0].Suppressed != 1 || len(c.Notes) != 0 {
		t.Errorf("%+v %v", c.Grades, c.Notes)
	}
	past := parse("PS-RCV-009 until " + day.AddDate(0, 0, -1).Format(time.DateOnly) + ": x")
	if c := Audit(&Evidence{Facts: f}, past); len(c.Findings) != 1 || c.Grades[0].Points != 90 || len(c.Notes) != 1 {
		t.Errorf("%+v %v", c.Grades, c.Notes)
	}
	if c := Audit(&Evidence{Facts: f}, parse("PS-SND-001 until "+day.Format(time.DateOnly)+": x")); len(c.Notes) != 1 || !strings.Contains(c.Notes[0], "no longer applies") {
		t.Errorf("%+v", c.Notes)
	}
	for _, bad := range []string{"", "PS-RCV-009", "PS-RCV-009 until 2026-02-31: x", "PS-RCV-009 until 2026-12-01:", "PS-RCV-999 until 2026-12-01: x", "PS-RCV-009 until 2999-01-01: x", "PS-RCV-009 until tomorrow: x"} {
		if _, err := ParseSuppression(bad, f.Now); err == nil || hint.Of(err) == "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestIdle: what cannot be so on a server is not said to have been looked for.
func TestIdle(t *testing.T) {
	old := func(f *detect.Facts) { well(f); f.OpenSSL = "OpenSSL 3.0.19 27 Jan 2026" }
	self := &lab.Leaf{RSA: true, SelfSigned: true, Names: []string{"localhost"}, NotBefore: lab.Noon.AddDate(0, 0, -10), NotAfter: lab.Noon.AddDate(0, 0, 80)}
	for id, s := range map[string]scene{
		"PS-RCV-018": {main: good, master: router + sender, change: old},
		"PS-CRT-005": {main: good, master: router + sender, leaf: self, change: well},
		"PS-SND-024": {main: good, trials: []rehearse.Trial{{Verdict: rehearse.Fine, Outcome: rehearse.InClear}}}, // nothing goes encrypted: there is no offer to take out
	} {
		c := Audit(s.evidence(t))
		if !slices.ContainsFunc(c.Idle, func(r Rule) bool { return r.ID == id }) {
			t.Errorf("%s was looked for", id)
		}
	}
}

// TestHybrids: from which library on there are groups to be had that a large
// quantum computer does not break.
func TestHybrids(t *testing.T) {
	for library, looked := range map[string]bool{"OpenSSL 3.0.19 27 Jan 2026": false, "OpenSSL 3.4.9": false, "OpenSSL 3.5.1 1 Jul 2025": true, "OpenSSL 3.10.0": true, "OpenSSL 4.0.0": true, "LibreSSL 4.1.0": false, "": false} {
		s := scene{main: good, master: router + sender, change: func(f *detect.Facts) { well(f); f.OpenSSL = library }}
		idle := slices.ContainsFunc(Audit(s.evidence(t)).Idle, func(r Rule) bool { return r.ID == "PS-RCV-018" })
		if idle == looked {
			t.Errorf("%q: looked for %v", library, !idle)
		}
	}
}

// TestAll: every rule is in exactly one of the lists.
func TestAll(t *testing.T) {
	for _, s := range []scene{{main: good, master: router + sender, change: well}, {main: "", master: users + sender}, {main: "", master: sender}} {
		c := Audit(s.evidence(t))
		if n := len(c.Findings) + len(c.Suppressed) + len(c.Passed) + len(c.Idle); n != len(Rules) || len(c.Idle) == 0 || len(c.Passed) == 0 {
			t.Errorf("%d of %d rules; %d idle, %d passed", n, len(Rules), len(c.Idle), len(c.Passed))
		}
		for _, g := range c.Grades {
			if g.Basis == "" {
				t.Errorf("%s: judged by what?", g.Part)
			}
		}
	}
}

// webTLSA is of a usage that senders of mail cannot use (RFC 7672, section 3.1.3).
var webTLSA = map[string][]certs.TLSA{"mx.example.org": {{Usage: 1, Selector: 1, Matching: 1, Data: make([]byte, 32)}}}

// wrongTLSA names a key that nobody has.
var wrongTLSA = map[string][]certs.TLSA{"mx.example.org": {{Usage: 3, Selector: 1, Matching: 1, Data: make([]byte, 32)}}}
