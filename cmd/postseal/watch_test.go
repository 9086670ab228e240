package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/certs"
	"postseal/cmd/cli"
	"postseal/internal/apply"
	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/probe"
	"postseal/internal/session"
)

// TestTakeNewer: the command is about the instance that was looked at, and
// changes what stayed behind, and nothing else.
func TestTakeNewer(t *testing.T) {
	one := func(chain, algorithm string) detect.Certificate {
		return detect.Certificate{Chain: chain, Facts: certs.Facts{Algorithm: algorithm}}
	}
	ec, rsa, client := one("/c/ec.pem", "ECDSA"), one("/c/rsa.pem", "RSA"), one("/c/client.pem", "ECDSA")
	ec.Server, rsa.Server, client.Client = true, true, true
	renewed := one("/live/fullchain.pem", "ECDSA")
	renewed.Owner = "certbot"
	source := one("/etc/ssl/bought.pem", "ECDSA")
	for name, c := range map[string]struct {
		outdated []detect.Outdated
		want     string
	}{
		"one of a pair":        {[]detect.Outdated{{Shown: ec, Renewed: renewed}}, " --cert /live/fullchain.pem --cert /c/rsa.pem"},
		"sent with":            {[]detect.Outdated{{Shown: client, Renewed: renewed}}, " --client-cert /live/fullchain.pem"},
		"both":                 {[]detect.Outdated{{Shown: ec, Renewed: renewed}, {Shown: client, Renewed: renewed}}, " --cert /live/fullchain.pem --cert /c/rsa.pem --client-cert /live/fullchain.pem"},
		"made of a given file": {[]detect.Outdated{{Shown: ec, Renewed: source}}, ""},
	} {
		s := &session.Session{Settings: session.Settings{ConfigDir: "/etc/postfix-out", StateDir: "/var/lib/out", CertsDir: "/etc/postseal/certs"}, Facts: &detect.Facts{Certificates: []detect.Certificate{ec, rsa, client}}}
		if got, want := strings.Join(takeNewer(s, c.outdated)[0], " "), "postseal apply --config-dir /etc/postfix-out --state-dir /var/lib/out"+c.want; got != want {
			t.Errorf("%s:\n%s\n%s", name, got, want)
		}
	}
}

// TestTakeForService: what a service has for itself is no answer to a question:
// apply would change nothing, and postconf does.
func TestTakeForService(t *testing.T) {
	ca := lab.NewCA(t)
	old, renewed, other := ca.Issue(t, lab.Leaf{NotBefore: time.Now().AddDate(0, 0, -60)}), ca.Issue(t, lab.Leaf{NotBefore: time.Now().AddDate(0, 0, -1)}), ca.Issue(t, lab.Leaf{RSA: true, Names: []string{"other.example.org"}})
	const live = "/etc/letsencrypt/live/mx/"
	for name, c := range map[string]struct{ own, want string }{
		"chain files": {"-o smtpd_tls_chain_files=/c/own.pem,/c/other.pem", "submission/inet/smtpd_tls_chain_files=" + live + "privkey.pem," + live + "fullchain.pem,/c/other.pem"},
		"the old way": {"-o smtpd_tls_cert_file=/c/own.pem -o smtpd_tls_key_file=/c/own.pem", "submission/inet/smtpd_tls_cert_file=" + live + "fullchain.pem submission/inet/smtpd_tls_key_file=" + live + "privkey.pem"},
	} {
		m := lab.Machine(t, "3.7.11", map[string]string{
			"main.cf": "myhostname = mx.example.org\n", "master.cf": "submission inet n - n - - smtpd " + c.own + "\n",
			"/c/own.pem": old.Key + old.Cert, "/c/other.pem": other.Key + other.Cert, live + "fullchain.pem": renewed.Cert + ca.IntermediatePEM, live + "privkey.pem": renewed.Key,
		})
		s, err := session.Open(context.Background(), m, session.Settings{ConfigDir: "/etc/postfix"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, argv := range takeNewer(s, s.Facts.Outdated()) {
			got = append(got, strings.Join(argv, " "))
		}
		if want := []string{"postconf -c /etc/postfix -P " + c.want, "postfix -c /etc/postfix reload"}; !slices.Equal(got, want) {
			t.Errorf("%s:\n%q\n%q", name, got, want)
		}
	}
}

// TestWatchOfStrangers: no command names files that another account can change, and no
// setting names what Postfix would read as something else. What no trusted CA has issued
// is no renewal of what one has.
func TestWatchOfStrangers(t *testing.T) {
	lab.NeedRoot(t)
	ca, stranger := lab.NewCA(t), lab.NewCA(t)
	old := ca.Issue(t, lab.Leaf{NotBefore: time.Now().AddDate(0, 0, -60)})
	newer := lab.Leaf{NotBefore: time.Now().AddDate(0, 0, -1)}
	renewed, sameKey, forged := ca.Issue(t, newer), ca.Certify(t, newer, old.Signer), stranger.Issue(t, newer)
	sameKey.Key = old.Key
	const place = "/var/lib/caddy/.local/share/caddy/certificates/ca/"
	for name, c := range map[string]struct {
		renewed lab.Issued
		folder  string
		owner   int
		own     bool // a service names the certificate, and main.cf does not
		want    string
	}{
		"root's":                          {renewed, "mx", 0, false, "To use the newer one: postseal apply"},
		"root's, for a service":           {renewed, "mx", 0, true, "To use the newer one: postconf -c /etc/postfix -P"},
		"another account's":               {renewed, "mx", lab.WWWData, false, "mx is owned by www-data. Check it before you use it: postseal cert inspect " + place + "mx/mx.crt"},
		"another account's, with the key": {sameKey, "mx", lab.WWWData, false, "Other accounts can change it: " + place + "mx is owned by www-data. Check it"},
		"another CA's":                    {forged, "mx", 0, false, ""},
		"another account's, another CA's": {forged, "mx", lab.WWWData, false, ""},
		"two paths in a name":             {renewed, "mx,", 0, true, "Postfix cannot read it there: \"" + place + "mx,/mx"},
		"two settings in a name":          {renewed, "mx smtpd_tls_auth_only=no", 0, true, "Postfix cannot read it there: \"" + place + "mx smtpd"},
	} {
		main, service := "smtpd_tls_chain_files = /c/own.pem\n", ""
		if c.own {
			main, service = "", " -o smtpd_tls_chain_files=/c/own.pem"
		}
		m := lab.Machine(t, "3.7.11", map[string]string{
			"main.cf": "myhostname = mx.example.org\n" + main, "master.cf": "smtp inet n - n - - smtpd" + service + "\n", "/c/own.pem": old.Key + old.Cert + ca.IntermediatePEM,
			place + c.folder + "/mx.crt": c.renewed.Cert + ca.IntermediatePEM, place + c.folder + "/mx.key": c.renewed.Key, "/etc/ssl/certs/ca-certificates.crt": ca.RootPEM,
		})
		if err := os.Chown(filepath.Join(m.Root, place, c.folder), c.owner, c.owner); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		a := &app{Run: &cli.Run{Ctx: context.Background(), Machine: &host.Recorder{Machine: m}, Out: &out, Err: &out}, settings: session.Settings{ConfigDir: "/etc/postfix"}}
		if err := a.watchCmd().RunE(nil, nil); a.Code(err) != cli.Findings {
			t.Errorf("%s: %v", name, err)
		}
		text := out.String()
		if !strings.Contains(text, c.want) || c.want == "" && strings.Contains(text, place) || strings.Contains(text, "To use") != strings.HasPrefix(c.want, "To use") {
			t.Errorf("%s:\n%s", name, text)
		}
	}
}

// TestWatchPrintsNoEscapes: the name of a folder that another account has made is shown,
// and nothing in it is obeyed by the terminal.
func TestWatchPrintsNoEscapes(t *testing.T) {
	ca := lab.NewCA(t)
	old, renewed := ca.Issue(t, lab.Leaf{NotBefore: time.Now().AddDate(0, 0, -60)}), ca.Issue(t, lab.Leaf{NotBefore: time.Now().AddDate(0, 0, -1)})
	const live = "/var/lib/caddy/.local/share/caddy/certificates/ca/\x1b[2J\x1b]0;title\a/mx"
	m := lab.Machine(t, "3.7.11", map[string]string{
		"main.cf":   "myhostname = mx.example.org\nsmtpd_tls_chain_files = /c/own.pem\n",
		"master.cf": "smtp inet n - n - - smtpd\nsubmission inet n - n - - smtpd -o smtpd_tls_chain_files=/c/own.pem\n", "/c/own.pem": old.Key + old.Cert,
		live + ".crt": renewed.Cert + ca.IntermediatePEM, live + ".key": renewed.Key,
	})
	var out bytes.Buffer
	a := &app{Run: &cli.Run{Ctx: context.Background(), Machine: &host.Recorder{Machine: m}, Out: &out, Err: &out}, settings: session.Settings{ConfigDir: "/etc/postfix"}}
	for _, a.JSON = range []bool{false, true} {
		out.Reset()
		err := a.watchCmd().RunE(nil, nil)
		if a.Code(err) != cli.Findings {
			t.Errorf("%v", err)
		}
		if text := out.String(); strings.ContainsAny(text, "\x1b\a") || !strings.Contains(text, "title") {
			t.Errorf("%q", text)
		}
	}
}

// TestStopped: a Postfix that does not run is started, not reloaded.
func TestStopped(t *testing.T) {
	silent, other, fine := apply.Proof{Stage: probe.Connecting}, apply.Proof{Stage: probe.Handshaking}, apply.Proof{OK: true}
	for _, c := range []struct {
		proofs []apply.Proof
		want   string
	}{
		{[]apply.Proof{silent, silent}, "No listener answers. If Postfix is not running: postfix -c /etc/x start\n"},
		{[]apply.Proof{silent, fine}, "If a file was renewed: postfix -c /etc/x reload\n"},
		{[]apply.Proof{other}, "If a file was renewed: postfix -c /etc/x reload\n"},
		{[]apply.Proof{fine}, ""},
		{nil, ""},
	} {
		if got := afterProofs("/etc/x", c.proofs); got != c.want {
			t.Errorf("%+v: %q", c.proofs, got)
		}
	}
}
