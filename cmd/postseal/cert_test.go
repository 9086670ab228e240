package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postseal/cmd/cli"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/session"
)

// TestListAccess: a key that every user can read, and a certificate that another
// account owns, are told of with what ends that; exit code 3.
func TestListAccess(t *testing.T) {
	lab.NeedRoot(t)
	ca := lab.NewCA(t)
	leaf := ca.Issue(t, lab.Leaf{NotBefore: lab.Noon.AddDate(0, 0, -10), NotAfter: lab.Noon.AddDate(0, 0, 80)})
	m := lab.Machine(t, "3.7.11", map[string]string{
		"main.cf":   "myhostname = mx.example.org\nsmtpd_tls_security_level = may\nsmtpd_tls_cert_file = /c/cert.pem\nsmtpd_tls_key_file = /c/key.pem\n",
		"master.cf": "smtp inet n - n - - smtpd\n", "/c/cert.pem": leaf.Cert + ca.IntermediatePEM, "/c/key.pem": leaf.Key, "/etc/ssl/certs/ca-certificates.crt": ca.RootPEM,
	})
	if err := os.Chmod(filepath.Dir(m.Root), 0o755); err != nil { // every user can come by
		t.Fatal(err)
	}
	list := func(asJSON bool) (string, error) {
		var out bytes.Buffer
		a := &app{Run: &cli.Run{Ctx: context.Background(), Machine: &host.Recorder{Machine: m}, Out: &out, Err: &bytes.Buffer{}}, settings: session.Settings{ConfigDir: "/etc/postfix"}}
		a.JSON = asJSON
		err := a.certList()
		return out.String(), err
	}
	if out, err := list(false); err != nil || strings.Contains(out, "access") {
		t.Errorf("%v: %s", err, out)
	}
	if err := errors.Join(os.Chmod(filepath.Join(m.Root, "c/key.pem"), 0o644), os.Chown(filepath.Join(m.Root, "c/cert.pem"), 33, 0)); err != nil {
		t.Fatal(err)
	}
	for _, asJSON := range []bool{false, true} {
		out, err := list(asJSON)
		if !errors.Is(err, cli.ErrFindings) {
			t.Error(err)
		}
		for _, want := range []string{"every user can read the private key in /c/key.pem", "/c/cert.pem is owned by www-data", "chmod o-r /c/key.pem", "chown -h root /c/cert.pem"} {
			if asJSON && strings.HasPrefix(want, "ch") {
				want = `"` + strings.ReplaceAll(want, " ", `","`) + `"`
				out = strings.NewReplacer(" ", "", "\n", "").Replace(out)
			}
			if !strings.Contains(out, want) {
				t.Errorf("no %q in:\n%s", want, out)
			}
		}
	}
}
