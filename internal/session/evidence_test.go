package session_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/internal/audit"
	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/probe"
	"postseal/internal/session"
)

// TestLive: a real Postfix whose configuration looks sound and whose service is
// not, as the card sees it by shaking hands.
func TestLive(t *testing.T) {
	session.Hurry()
	ca := lab.NewCA(t)
	for _, x := range []struct {
		name, later string
		// listener is one more line of master.cf that nobody has read yet.
		listener string
		// has are rules that find something, and not one that must not.
		has, not string
	}{
		{"sound", "", "", "PS-RCV-045", "PS-RCV-036 PS-RCV-037 PS-RCV-040 PS-RCV-041 PS-RCV-033 PS-RCV-046 PS-RCV-047"},
		{"smtpd dies", "smtpd_tls_auth_only = yes # a comment\n", "", "PS-RCV-036 PS-CFG-001", "PS-RCV-033 PS-RCV-037"},
		{"table of names is not there", "tls_server_sni_maps = hash:/nonexistent/sni\n", "", "PS-RCV-040 PS-RCV-038", "PS-RCV-036"},
		{"table of names has another's certificate", "tls_server_sni_maps = texthash:DIR/right\n", "", "PS-RCV-041", "PS-RCV-040"},
		{"table of names has rubbish", "tls_server_sni_maps = texthash:DIR/rubbish\n", "", "PS-RCV-040", "PS-RCV-038"},
		{"table of names for other names", "tls_server_sni_maps = texthash:DIR/other\n", "", "", "PS-RCV-040 PS-RCV-041"},
		{"not opened", "", "%s inet n - n - - smtpd\n", "PS-RCV-037", "PS-RCV-036 PS-RCV-033"},
		{"a current client gets nothing", "smtpd_tls_protocols = TLSv1\n", "", "PS-RCV-003", "PS-RCV-040"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			dir := lab.Dir(t)
			leaf, other := ca.Issue(t, lab.Leaf{}), ca.Issue(t, lab.Leaf{Names: []string{"www.example.org"}})
			chain := lab.Write(t, dir, "chain.pem", leaf.Key+leaf.Cert+ca.IntermediatePEM, 0o600)
			main := "myhostname = mx.example.org\nrelay_domains = example.org\nsmtpd_tls_security_level = may\nsmtpd_tls_chain_files = " + chain + "\nsmtpd_tls_loglevel = 1\n"
			s := lab.Postfix(t, main, "%s inet n - n - - smtpd")
			path := filepath.Join(s.Config(), "main.cf")
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			elsewhere := lab.Write(t, dir, "other.pem", other.Key+other.Cert+ca.IntermediatePEM, 0o600)
			lab.Write(t, dir, "right", "mx.example.org "+elsewhere+"\n", 0o644)
			lab.Write(t, dir, "other", "www.example.org "+elsewhere+"\n", 0o644)
			lab.Write(t, dir, "rubbish", "mx.example.org "+lab.Write(t, dir, "rubbish.pem", "rubbish\n", 0o600)+"\n", 0o644)
			later := strings.ReplaceAll(x.later, "DIR", dir)
			if err := os.WriteFile(path, append(text, later...), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := s.Cool(); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("postfix", "-c", s.Config(), "reload").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if x.listener != "" {
				lab.Write(t, s.Config(), "master.cf", fmt.Sprintf(x.listener, lab.Addr(t))+"smtp unix - - n - - smtp\n", 0o644)
			}
			ses, err := session.Open(context.Background(), host.Local{}, session.Settings{ConfigDir: s.Config(), StateDir: t.TempDir(), CertsDir: t.TempDir()}, nil)
			if err != nil {
				t.Fatal(err)
			}
			e, err := ses.Evidence(context.Background(), session.Gather{Live: true})
			if err != nil {
				t.Fatal(err)
			}
			card := audit.Audit(e)
			found := map[string]bool{}
			for _, f := range card.Findings {
				found[f.ID] = true
			}
			for _, id := range strings.Fields(x.has) {
				if !found[id] {
					t.Errorf("%s finds nothing: %+v", id, e.Live)
				}
			}
			for _, id := range strings.Fields(x.not) {
				if found[id] {
					t.Errorf("%s finds something: %+v", id, e.Live)
				}
			}
			if g := card.Grades[0]; strings.Contains(x.has, "RCV-036") && (g.Letter != "F" || !strings.Contains(g.Basis, "alone")) {
				t.Errorf("%+v", g)
			}
		})
	}
}

// TestShown: senders who name the host are judged by what they are shown.
func TestShown(t *testing.T) {
	ca := lab.NewCA(t)
	usual, own := ca.Issue(t, lab.Leaf{}).Leaf, ca.Issue(t, lab.Leaf{Names: []string{"www.example.org"}}).Leaf
	relay := detect.Listener{Kind: detect.Relay, Addr: "192.0.2.1:25"}
	other := detect.Listener{Kind: detect.Relay, Addr: "192.0.2.1:2525"}
	e := &audit.Evidence{Facts: &detect.Facts{Listeners: []detect.Listener{relay, other}}, Live: []audit.Live{
		{Listener: relay, Seen: &probe.Enumeration{Certificates: []probe.Leaf{{Raw: [][]byte{usual.Raw}}}}, Named: []audit.Named{
			{Name: "mx.example.org", Certs: []*x509.Certificate{usual}}, {Name: "www.example.org", Certs: []*x509.Certificate{own}}, {Name: "x.example.org", Err: os.ErrDeadlineExceeded},
		}},
		{Listener: other, Seen: &probe.Enumeration{Certificates: []probe.Leaf{{Raw: [][]byte{{1}}}}}},
	}}
	for name, want := range map[string]*x509.Certificate{"mx.example.org": usual, "www.example.org": own, "x.example.org": usual, "y.example.org": usual} {
		if got := session.Shown(e, name); len(got) != 1 || !bytes.Equal(got[0][0], want.Raw) {
			t.Errorf("%s: %d chains, or another's", name, len(got))
		}
	}
}

// TestReload: a real Postfix does not run with what main.cf has got since, until
// it is reloaded.
func TestReload(t *testing.T) {
	s := lab.Postfix(t, "myhostname = mx.example.org\n", "%s inet n - n - - smtpd")
	path := filepath.Join(s.Config(), "main.cf")
	changed := func() bool {
		f, err := detect.Look(context.Background(), host.ReadOnly{Reader: host.Local{}}, s.Config(), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if f.Reloaded.IsZero() || f.Reloaded.After(time.Now().Add(time.Second)) || time.Since(f.Reloaded) > time.Hour {
			t.Fatalf("it runs since %s", f.Reloaded)
		}
		return slices.ContainsFunc(audit.Audit(&audit.Evidence{Facts: f}).Findings, func(f audit.Finding) bool { return f.ID == "PS-CFG-017" })
	}
	if changed() {
		t.Error("main.cf is older than the start")
	}
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
	if !changed() {
		t.Error("a change after the start is not seen")
	}
}
