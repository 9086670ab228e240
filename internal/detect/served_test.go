package detect_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/probe"
)

// TestServedChains: what is said of the files is what a real Postfix loads, and sends.
func TestServedChains(t *testing.T) {
	ca, dir := lab.NewCA(t), lab.Dir(t)
	leaf, rsa := ca.Issue(t, lab.Leaf{}), ca.Issue(t, lab.Leaf{RSA: true})
	for name, text := range map[string]string{
		"leaf.pem": leaf.Cert, "key.pem": leaf.Key, "full.pem": leaf.Cert + ca.IntermediatePEM, "reversed.pem": ca.IntermediatePEM + leaf.Cert,
		"combined.pem": leaf.Key + leaf.Cert, "late-key.pem": leaf.Cert + leaf.Key, "intermediate.pem": ca.IntermediatePEM,
		"rooted.pem": leaf.Key + leaf.Cert + ca.RootPEM, "two.pem": rsa.Key + rsa.Cert + leaf.Key + leaf.Cert + ca.IntermediatePEM,
	} {
		lab.Write(t, dir, name, text, 0o600)
	}
	scenes := []struct {
		name, options string
		length        int // 0: not loaded
		completed     bool
	}{
		{"whole chain", "cert_file=full.pem key_file=key.pem", 2, false},
		{"leaf alone", "cert_file=leaf.pem key_file=key.pem", 1, false},
		{"leaf alone, intermediate in smtpd_tls_CAfile", "cert_file=leaf.pem key_file=key.pem CAfile=intermediate.pem", 2, true},
		{"chain_files with a leaf alone, intermediate in smtpd_tls_CAfile", "chain_files=combined.pem CAfile=intermediate.pem", 2, true},
		{"a leaf that does not stand alone", "chain_files=rooted.pem CAfile=intermediate.pem", 2, false},
		{"two chains, one of them a leaf alone", "chain_files=two.pem CAfile=intermediate.pem", 2, false},
		{"key after the certificate", "chain_files=late-key.pem", 0, false},
		{"files in the wrong order", "chain_files=full.pem,key.pem", 0, false},
		{"files in the right order", "chain_files=key.pem,full.pem", 2, false},
		{"key after the certificate, as a pair", "cert_file=late-key.pem", 1, false},
		{"relative to queue_directory", "chain_files=../../" + filepath.Base(dir) + "/combined.pem", 1, false},
		{"intermediate first, as a pair", "cert_file=reversed.pem key_file=key.pem", 0, false},
	}
	var services []string
	for _, x := range scenes {
		line := "%s inet n - n - - smtpd -o smtpd_tls_security_level=may"
		for _, o := range strings.Fields(x.options) {
			name, value, _ := strings.Cut(o, "=")
			for _, file := range strings.Split(value, ",") {
				if !strings.HasPrefix(file, "../") {
					value = strings.Replace(value, file, dir+"/"+file, 1)
				}
			}
			line += " -o smtpd_tls_" + name + "=" + value
		}
		services = append(services, line)
	}
	// The CA file for sending completes no chain of a listener.
	s := lab.Postfix(t, "smtp_tls_CAfile = "+dir+"/intermediate.pem\nrelay_domains = example.org\n", services...)
	f, err := detect.Look(t.Context(), host.ReadOnly{Reader: host.Local{}}, s.Config(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range scenes {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		seen, err := probe.Handshake(ctx, probe.Target{Addr: s.Addrs[i]}, probe.Options{Dial: host.Local{}.Dial})
		cancel()
		if len(seen.Certs) != x.length || (err == nil) != (x.length > 0) {
			t.Errorf("%s: Postfix sends %d certificates: %v", x.name, len(seen.Certs), err)
		}
		at := slices.IndexFunc(f.Certificates, func(c detect.Certificate) bool {
			return slices.Contains(c.Services, s.Addrs[i]+"/inet") && (len(seen.Certs) == 0 || c.Fingerprint == seen.Fingerprint())
		})
		if at < 0 {
			t.Errorf("%s: no such certificate is known", x.name)
			continue
		}
		c := f.Certificates[at]
		if (c.Err == nil && c.Refused == "") != (x.length > 0) || x.length > 0 && x.name != "a leaf that does not stand alone" && c.Length != x.length || (c.CompletedBy != "") != x.completed {
			t.Errorf("%s: length %d, completed by %q, refused %q, %v", x.name, c.Length, c.CompletedBy, c.Refused, c.Err)
		}
		if x.length == 1 && c.Complete {
			t.Errorf("%s: it is taken for complete", x.name)
		}
	}
}
