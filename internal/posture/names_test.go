package posture_test

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"postseal/internal/lab"
)

// TestNames compares the certificates by name with what a real Postfix presents: of tables
// that postmap -F has built, one that holds the names of files instead, and a text.
func TestNames(t *testing.T) {
	lab.NeedRoot(t)
	dir, ca := lab.Dir(t), lab.NewCA(t)
	file := func(name string) string {
		one := ca.Issue(t, lab.Leaf{Names: []string{name}})
		return lab.Write(t, dir, name+".pem", one.Key+one.Cert+ca.IntermediatePEM, 0o600)
	}
	names := []string{"mx.example.org", "Mail.Example.com", "a.b.example.net", "b.example.net", "example.net", "broken.example", "other.example"}
	text := "mx.example.org " + file("one.example") + "\nmail.example.com " + file("two.example") + "\n.example.net " + file("three.example") + "\n"
	table := func(name, flags string) string {
		path := lab.Write(t, dir, name, text, 0o600)
		if out, err := exec.Command("postmap", strings.Fields(flags+" hash:"+path)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return "hash:" + path
	}
	broken := lab.Write(t, dir, "broken", "broken.example "+lab.Write(t, dir, "key.pem", ca.IntermediatePEM, 0o600)+"\n", 0o600)
	if out, err := exec.Command("postmap", "-F", "hash:"+broken).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, maps := range []string{table("built", "-F"), table("plain", ""), table("first", "-F") + " hash:" + broken, "texthash:" + lab.Write(t, dir, "text", text, 0o600)} {
		s := lab.Postfix(t, "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = "+file("default.example")+"\ntls_server_sni_maps = "+maps, "%s inet n - n - - smtpd")
		l := look(t, s).Listeners[0]
		for _, name := range names {
			want := "no handshake"
			if leaves, known := l.ServesTo(name); known {
				want = fmt.Sprint(leaves)
			}
			got := "no handshake"
			state, _, err := shake(s.Addrs[0], false, &tls.Config{ServerName: name, InsecureSkipVerify: true})
			if err == nil {
				sum := sha256.Sum256(state.PeerCertificates[0].Raw)
				got = fmt.Sprint(map[string]string{"ECDSA": hex.EncodeToString(sum[:])})
			}
			if got != want {
				t.Errorf("%s: %s: promised %s, got %s (%v)", maps, name, want, got, err)
			}
		}
		s.Stop()
	}
}
