package plan_test

import (
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/plan"
)

const www = 33 // www-data

// exposed is the text of the risk of that name, or empty.
func exposed(p *plan.Plan) string {
	i := slices.IndexFunc(p.Risks, func(r plan.Risk) bool { return r.Name == plan.RiskExposedCertificate })
	if i < 0 {
		return ""
	}
	return p.Risks[i].Text
}

// give makes files and folders those of an account.
func give(t *testing.T, m *host.Fake, uid int, paths ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make files those of another account")
	}
	for _, p := range paths {
		if err := os.Chown(filepath.Join(m.Root, p), uid, uid); err != nil {
			t.Fatal(err)
		}
	}
}

// TestExposedCertificate: a key and certificate that other accounts can choose must be
// accepted by name, each time that Postfix gets them anew.
func TestExposedCertificate(t *testing.T) {
	const chain, key, live = "/etc/ssl/mail/mx.pem", "/etc/ssl/mail/mx.key", "/etc/letsencrypt/live/mx.example.org/"
	var who = host.UserName(www)
	shown := ": that account can replace the key and certificate that this server presents. Use files that only root can change"
	for _, c := range []struct {
		name, main string
		answers    string
		expose     func(t *testing.T, m *host.Fake)
		want       string
	}{
		{"root owns all", "", "cert=" + chain + " key=" + key, func(*testing.T, *host.Fake) {}, ""},
		{"an account owns the key", "", "cert=" + chain + " key=" + key, func(t *testing.T, m *host.Fake) { give(t, m, www, key) }, who + " can change " + key + shown},
		{"and the certificate", "", "cert=" + chain + " key=" + key, func(t *testing.T, m *host.Fake) { give(t, m, www, key, chain) },
			who + " can change " + key + " and " + chain + shown},
		{"the key is found, not named", "", "cert=" + chain, func(t *testing.T, m *host.Fake) { give(t, m, www, key) }, who + " can change " + key + shown},
		{"a folder", "", "cert=" + chain + " key=" + key, func(t *testing.T, m *host.Fake) { give(t, m, www, "/etc/ssl/mail") }, who + " can change /etc/ssl/mail" + shown},
		{"every user", "", "cert=" + chain + " key=" + key, func(t *testing.T, m *host.Fake) { mode(t, m, chain, 0o666) },
			"every user can change " + chain + ": they can replace the key and certificate that this server presents. Use files that only root can change"},
		{"a client certificate", "", "cert=none client-cert=/etc/ssl/mail/client.pem", func(t *testing.T, m *host.Fake) { give(t, m, www, "/etc/ssl/mail/client.pem") },
			who + " can change /etc/ssl/mail/client.pem" + shown},
		{"used where another client renews it", "", "cert=" + live + "fullchain.pem", func(t *testing.T, m *host.Fake) { give(t, m, www, live+"privkey.pem") },
			who + " can change " + live + "privkey.pem" + shown},
		{"and used there before", "smtpd_tls_cert_file = " + live + "fullchain.pem\nsmtpd_tls_key_file = " + live + "privkey.pem\n", "", func(t *testing.T, m *host.Fake) { give(t, m, www, live+"privkey.pem") }, ""},
		{"of a service", "", "cert=" + chain + " key=" + key, func(t *testing.T, m *host.Fake) {
			lab.Write(t, m.Root, "/etc/ssl/mail/own.pem", issued["ec"].Key+issued["ec"].Cert+ca.IntermediatePEM, 0o600)
			lab.Write(t, m.Root, "/etc/postfix/master.cf", stockMaster+"26 inet n - y - - smtpd\n  -o smtpd_tls_cert_file=/etc/ssl/mail/own.pem\n", 0o644)
			give(t, m, www, "/etc/ssl/mail/own.pem")
		}, who + " can change /etc/ssl/mail/own.pem" + shown},
		{"two accounts", "", "cert=" + chain + " key=" + key, func(t *testing.T, m *host.Fake) {
			give(t, m, www, key)
			mode(t, m, chain, 0o666)
		}, who + " can change " + key + ", every user can change " + chain + ": they can replace the key and certificate that this server presents. Use files that only root can change"},
		{"nothing is used", "", "cert=none", func(t *testing.T, m *host.Fake) { give(t, m, www, key, chain) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := tree(t, "myhostname = mx.example.org\nrelay_domains = example.org\n"+c.main, stockMaster)
			files[live+"fullchain.pem"], files[live+"privkey.pem"] = issued["ec"].Cert+ca.IntermediatePEM, issued["ec"].Key
			client := ca.Issue(t, lab.Leaf{Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
			files["/etc/ssl/mail/client.pem"] = client.Key + client.Cert + ca.IntermediatePEM
			m := lab.Machine(t, "3.7.11", files)
			c.expose(t, m)
			p, _ := build(t, m, strings.Fields(c.answers)...)
			if got := exposed(p); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestExposedAgain: a plan that leaves the certificate as it is risks nothing, and the
// next pair that the account puts there must be accepted anew.
func TestExposedAgain(t *testing.T) {
	const from, copied = "/etc/ssl/mail/ec.pem", "/etc/postseal/certs/mx.example.org/ecdsa.pem"
	files := tree(t, "myhostname = mx.example.org\nrelay_domains = example.org\nsmtpd_tls_chain_files = "+copied+"\n", stockMaster)
	files[copied] = issued["ec"].Key + issued["ec"].Cert + ca.IntermediatePEM
	m := lab.Machine(t, "3.7.11", files)
	give(t, m, www, from)
	p, _ := build(t, m, "cert="+from)
	if exposed(p) != "" || p.Empty() {
		t.Errorf("unchanged: %+v", p.Risks)
	}
	next := ca.Issue(t, lab.Leaf{})
	lab.Write(t, m.Root, from, next.Key+next.Cert+ca.IntermediatePEM, 0o600)
	p, _ = build(t, m, "cert="+from)
	if exposed(p) == "" {
		t.Errorf("another pair: %+v", p.Risks)
	}
}

// TestUnjudgedCertificate: files whose permissions root cannot check are not taken for
// safe ones. For other users the plan is not the last word.
func TestUnjudgedCertificate(t *testing.T) {
	const from = "/etc/ssl/mail/ec.pem"
	f, a := look(t, lab.Machine(t, "3.7.11", tree(t, ageing, stockMaster)), "cert="+from)
	file := f.PEM[from]
	file.Unjudged = errors.New("too many levels of symbolic links")
	f.PEM[from] = file
	for root, want := range map[bool]string{true: "the permissions of " + from + " could not be checked: too many levels of symbolic links. Use files that only root can change", false: ""} {
		f.Root = root
		p, err := plan.Build(f, a, options)
		if err != nil {
			t.Fatal(err)
		}
		if got := exposed(p); got != want {
			t.Errorf("root %v: %q, want %q", root, got, want)
		}
	}
}

// TestKeyReaders: that a copy is closed does not make secret a key that was open.
func TestKeyReaders(t *testing.T) {
	const chain, key = "/etc/ssl/mail/mx.pem", "/etc/ssl/mail/mx.key"
	m := lab.Machine(t, "3.7.11", tree(t, "myhostname = mx.example.org\nrelay_domains = example.org\n", stockMaster))
	about := func() (out []string) {
		p, _ := build(t, m, "cert="+chain, "key="+key)
		for _, n := range p.Notes {
			if strings.Contains(n, "can read") {
				out = append(out, n)
			}
		}
		return out
	}
	if got := about(); got != nil {
		t.Errorf("closed: %q", got)
	}
	mode(t, m, key, 0o644)
	want := "every user can read the private key in " + key + ": create a new key, since the old one may have been copied, and run chmod o-r " + key
	if got := about(); len(got) != 1 || got[0] != want {
		t.Errorf("open: %q", got)
	}
	lab.Write(t, m.Root, "/etc/passwd", "www-data:x:33:33::/var/www:/bin/sh\n", 0o644)
	lab.Write(t, m.Root, "/etc/group", "web:x:33:www-data\n", 0o644)
	mode(t, m, key, 0o640)
	give(t, m, 0, key)
	if err := os.Chown(filepath.Join(m.Root, key), 0, www); err != nil {
		t.Fatal(err)
	}
	want = "members of the group web (www-data) can read the private key in " + key + ": if that is not intended, create a new key, since the old one may have been copied, and run chmod g-r " + key
	if got := about(); len(got) != 1 || got[0] != want {
		t.Errorf("for a group: %q", got)
	}
}

func mode(t *testing.T, m *host.Fake, path string, perm os.FileMode) {
	t.Helper()
	if err := os.Chmod(filepath.Join(m.Root, path), perm); err != nil {
		t.Fatal(err)
	}
}
