package probe_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"postseal/internal/lab"
	"postseal/internal/probe"
)

func TestHandshakeWithPostfix(t *testing.T) {
	ca := lab.NewCA(t)
	ec, rsa := ca.Issue(t, lab.Leaf{}), ca.Issue(t, lab.Leaf{RSA: true})
	dir := lab.Dir(t)
	chain := lab.Write(t, dir, "chain.pem", ec.Key+ec.Cert+ca.IntermediatePEM+rsa.Key+rsa.Cert+ca.IntermediatePEM, 0o600)
	s := lab.Postfix(t, "smtpd_tls_chain_files = "+chain+"\nsmtpd_tls_security_level = may\nsmtpd_tls_protocols = >=TLSv1.2\n",
		"%s inet n - n - - smtpd",
		"%s inet n - n - - smtpd -o smtpd_tls_wrappermode=yes",
		"%s inet n - n - - smtpd -o smtpd_tls_ask_ccert=yes",
		"%s inet n - n - - smtpd -o smtpd_tls_security_level=none",
		"%s inet n - n - - smtpd -o smtpd_tls_chain_files=/nonexistent",
		"%s inet n - n - - smtpd -o smtpd_tls_chain_files= -o smtpd_tls_cert_file=/nonexistent",
		"%s inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy",
		"%s inet n - n - - smtpd -o smtpd_tls_exclude_ciphers=aNULL",
	)
	ctx := context.Background()
	digest := func(der []byte) string { sum := sha256.Sum256(der); return hex.EncodeToString(sum[:]) }

	r, err := probe.Handshake(ctx, probe.Target{Addr: s.Addrs[0]}, probe.Options{})
	if err != nil || r.Version != "TLS 1.3" || len(r.Certs) != 2 || r.AsksCertificate || !strings.Contains(r.Greeting, "ESMTP") {
		t.Errorf("STARTTLS: %+v, %v", r, err)
	}
	for kind, leaf := range map[string][]byte{"RSA": rsa.Leaf.Raw, "ECDSA": ec.Leaf.Raw} {
		if r, err := probe.Handshake(ctx, probe.Target{Addr: s.Addrs[0]}, probe.Options{Algorithm: kind}); err != nil || r.Fingerprint() != digest(leaf) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if r, err := probe.Handshake(ctx, probe.Target{Addr: s.Addrs[1], Implicit: true}, probe.Options{}); err != nil || r.Version != "TLS 1.3" {
		t.Errorf("implicit: %+v, %v", r, err)
	}
	if r, err := probe.Handshake(ctx, probe.Target{Addr: s.Addrs[2]}, probe.Options{}); err != nil || !r.AsksCertificate {
		t.Errorf("asking for a certificate: %+v, %v", r, err)
	}
	if r, err := probe.Handshake(ctx, probe.Target{Addr: s.Addrs[6], Proxy: true}, probe.Options{}); err != nil {
		t.Errorf("PROXY: %+v, %v", r, err)
	}
	if r, err := probe.Greet(ctx, probe.Target{Addr: s.Addrs[3]}, probe.Options{}); err != nil || r.Offers("STARTTLS") || !r.Offers("pipelining") {
		t.Errorf("greeting only: %+v, %v", r, err)
	}

	for i, want := range map[int]bool{0: true, 7: false} {
		if taken, err := probe.Anonymous(ctx, probe.Target{Addr: s.Addrs[i]}, probe.Options{}); taken != want || err != nil {
			t.Errorf("anonymous suites on %d: %v, %v", i, taken, err)
		}
	}

	for _, c := range []struct {
		name   string
		target probe.Target
		opts   probe.Options
		stage  probe.Stage
		text   string
	}{
		{"no TLS", probe.Target{Addr: s.Addrs[3]}, probe.Options{}, probe.STARTTLS, "not offered"},
		// The two ways in which a broken certificate looks from outside.
		{"missing chain file", probe.Target{Addr: s.Addrs[4]}, probe.Options{}, probe.Handshaking, "handshake failure"},
		{"TLS off, still advertised", probe.Target{Addr: s.Addrs[5]}, probe.Options{}, probe.STARTTLS, "454"},
		{"below the floor", probe.Target{Addr: s.Addrs[0]}, probe.Options{MaxVersion: tls.VersionTLS11}, probe.Handshaking, "protocol version"},
		{"nobody there", probe.Target{Addr: "127.0.0.1:1"}, probe.Options{}, probe.Connecting, "refused"},
		{"silence", probe.Target{Addr: lab.Silent(t)}, probe.Options{Timeout: 200 * time.Millisecond}, probe.Greeting, "timeout"},
		{"implicit TLS where STARTTLS is", probe.Target{Addr: s.Addrs[0], Implicit: true}, probe.Options{}, probe.Handshaking, ""},
	} {
		_, err := probe.Handshake(ctx, c.target, c.opts)
		var e *probe.Error
		if !errors.As(err, &e) || e.Stage != c.stage || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want %s ... %s", c.name, err, c.stage, c.text)
		}
	}
}
