package audit

import (
	"context"
	"crypto/x509"
	"os/exec"
	"strings"
	"testing"
	"time"

	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/probe"
)

// TestStaleMap: a real Postfix shows what its SNI map held when postmap built it, and
// every name of the map is judged by that.
func TestStaleMap(t *testing.T) {
	lab.Need(t, "postmap")
	lab.NeedRoot(t)
	ca, dir := lab.NewCA(t), lab.Dir(t)
	write := func(name string, l lab.Leaf) lab.Issued {
		issued := ca.Issue(t, l)
		lab.Write(t, dir, name+".key", issued.Key, 0o600)
		lab.Write(t, dir, name+".pem", issued.Cert+ca.IntermediatePEM, 0o644)
		return issued
	}
	write("main", lab.Leaf{})
	old := write("shop", lab.Leaf{Names: []string{"shop.example.com"}, NotBefore: time.Now().AddDate(0, 0, -90), NotAfter: time.Now().AddDate(0, 0, -1)})
	write("other", lab.Leaf{Names: []string{"other.example.com"}})
	write("below", lab.Leaf{Names: []string{"*.example.net"}})
	line := func(key, name string) string {
		return key + "\t" + dir + "/" + name + ".key,\n  " + dir + "/" + name + ".pem\n"
	}
	lab.Write(t, dir, "sni", "# by name\n"+line("Shop.example.com", "shop")+line("www.example.com", "other")+line(".example.net", "below"), 0o600)
	lab.Write(t, dir, "plain", "plain.example.com "+dir+"/main.key "+dir+"/main.pem\n", 0o600)
	table := "hash:" + dir + "/sni"
	run := func(argv ...string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", argv, err, out)
		}
	}
	run("postmap", "-F", table)
	run("postmap", "hash:"+dir+"/plain")
	s := lab.Postfix(t, "relay_domains = example.org\nsmtpd_tls_security_level = may\nsmtpd_tls_chain_files = "+dir+"/main.key, "+dir+"/main.pem\ntls_server_sni_maps = "+table+" hash:"+dir+"/plain\n", "%s inet n - n - - smtpd")
	shown := func(name string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		r, err := probe.Handshake(ctx, probe.Target{Addr: s.Addrs[0]}, probe.Options{Dial: host.Local{}.Dial, ServerName: name})
		if err != nil {
			return err.Error()
		}
		return r.Fingerprint()
	}
	says := func(r Rule) string {
		t.Helper()
		f, err := detect.Look(t.Context(), host.ReadOnly{Reader: host.Local{}}, s.Config(), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, h := range r.Find(&Evidence{Facts: f}) {
			out = append(out, strings.ReplaceAll(h.Detail+" "+h.Remedy, dir, "DIR"))
		}
		return strings.Join(out, "; ")
	}
	expect := func(r Rule, want string) {
		t.Helper()
		if got := says(r); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, not %q", r.ID, got, want)
		}
	}
	expect(expired, "hash:DIR/sni (shop.example.com) expired on")
	expect(otherNames, "hash:DIR/sni (www.example.com) is not for www.example.com ")
	if got := says(otherNames); strings.Contains(got, "(shop") || strings.Contains(got, "(.example.net)") {
		t.Errorf("names: %q", got)
	}
	expect(notLoaded, "hash:DIR/plain contains the names of files instead of their contents")
	if got := shown("plain.example.com"); !strings.Contains(got, "handshake") {
		t.Errorf("a table without -F: %s", got)
	}
	expect(staleSNIMap, "")

	fresh := write("shop", lab.Leaf{Names: []string{"shop.example.com"}})
	fingerprint := func(i lab.Issued) string { return probe.Result{Certs: []*x509.Certificate{i.Leaf}}.Fingerprint() }
	if shown("shop.example.com") != fingerprint(old) {
		t.Error("Postfix shows another certificate than the table holds")
	}
	expect(expired, "(shop.example.com) expired on")
	expect(staleSNIMap, "hash:DIR/sni does not hold what its files hold for shop.example.com postmap -F hash:DIR/sni")
	run("postmap", "-F", table)
	if got := shown("shop.example.com"); got != fingerprint(fresh) {
		t.Errorf("Postfix shows another certificate than the new table holds: %s", got)
	}
	expect(expired, "")
	expect(staleSNIMap, "")
}
