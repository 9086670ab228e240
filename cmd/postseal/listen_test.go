package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"postseal/cmd/cli"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/listen"
	"postseal/internal/report"
)

// heard is a state directory in which one TLS 1.0 sender and one of today were heard.
func heard(t *testing.T) string {
	t.Helper()
	lab.NeedRoot(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1<<14)) // the hello, and no answer
			_ = c.Close()
		}
	}()
	dir := lab.Dir(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	send := func() {
		for from, newest := range map[string]uint16{"127.0.0.2": tls.VersionTLS10, "127.0.0.3": tls.VersionTLS13} {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
			c, err := d.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Error(err)
				break
			}
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			_ = tls.Client(c, &tls.Config{ServerName: "mx.example.org", MinVersion: tls.VersionTLS10, MaxVersion: newest}).Handshake()
			_ = c.Close()
		}
		stop()
	}
	_, run, err := listen.Listen(ctx, host.Local{}, dir, listen.Options{Ports: []uint16{uint16(l.Addr().(*net.TCPAddr).Port)}, Interface: "lo", Ready: send})
	if err != context.Canceled || run.TLS != 2 { //nolint:errorlint // as it is
		t.Fatalf("%v, %+v", err, run)
	}
	return dir
}

// relay is a configuration directory of a server that receives on port 25.
func relay(t *testing.T) string {
	t.Helper()
	lab.Need(t, "postconf")
	dir, ca := lab.Dir(t), lab.NewCA(t)
	rsa := ca.Issue(t, lab.Leaf{RSA: true})
	chain := lab.Write(t, dir, "rsa.pem", rsa.Key+rsa.Cert+ca.IntermediatePEM, 0o600)
	lab.Write(t, dir, "conf/main.cf", "compatibility_level = 3.6\nmyhostname = mx.example.org\nsmtpd_tls_security_level = may\nsmtpd_tls_chain_files = "+chain+"\n", 0o644)
	lab.Write(t, dir, "conf/master.cf", "smtp inet n - n - - smtpd\nsmtp unix - - n - - smtp\n", 0o644)
	return filepath.Join(dir, "conf")
}

// TestListen: what is known is printed as text and as data, and a proposal names the
// senders that it would cut off.
func TestListen(t *testing.T) {
	dir, conf := heard(t), relay(t)
	say := func(args ...string) (string, int) {
		var out, failed bytes.Buffer
		code := Main(append([]string{"listen", "--state-dir", dir, "--config-dir", conf}, args...), os.Stdin, &out, &failed)
		return out.String() + failed.String(), code
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"all":            {nil, cli.Done, []string{"2 senders, 2 connections with TLS", "versions    TLS 1.0\n", "X25519MLKEM768", "127.0.0.2", "mx.example.org"}},
		"a floor":        {[]string{"--floor", "TLSv1.2"}, cli.Findings, []string{"With TLS 1.2 or later, 1 of 2 senders would lose TLS", "127.0.0.2", "no version in common in 1 of 1 connection"}},
		"a lower floor":  {[]string{"--floor", "TLSv1"}, cli.Done, []string{"With TLS 1.0 or later, all 2 senders whose hello is known would still agree on TLS"}},
		"a profile":      {[]string{"--profile", "modern"}, cli.Findings, []string{"With profile modern, 1 of 2", "127.0.0.2"}},
		"both":           {[]string{"--profile", "intermediate", "--floor", "TLSv1"}, cli.Done, []string{"TLS 1.0 or later and profile intermediate"}},
		"no version":     {[]string{"--floor", "1.2"}, cli.Usage, []string{"not a TLS version", "TLSv1.2"}},
		"no profile":     {[]string{"--profile", "strict"}, cli.Usage, []string{"does not exist", "modern"}},
		"ports alone":    {[]string{"--port", "25"}, cli.Usage, []string{"need --for"}},
		"days":           {[]string{"--for", "1d"}, cli.Usage, []string{"24h is a day"}},
		"no number":      {[]string{"--for", "1s", "--port", "smtp"}, cli.Usage, []string{"use a number"}},
		"no time":        {[]string{"--for", "0s"}, cli.Usage, []string{"more than 0"}},
		"no port":        {[]string{"--for", "1s", "--port", "70000"}, cli.Usage, []string{"70000 is not a port"}},
		"no interface":   {[]string{"--for", "1s", "--port", "25", "--interface", "nosuch0"}, cli.Failed, []string{"nosuch0", "ip link"}},
		"nothing known":  {[]string{"--state-dir", conf}, cli.Failed, []string{"nothing is known", "postseal listen --for 24h"}},
		"the wrong file": {[]string{"--state-dir", broken(t)}, cli.Failed, []string{"version 99", "mv "}},
	} {
		t.Run(name, func(t *testing.T) {
			out, code := say(c.args...)
			if code != c.code {
				t.Errorf("exit code %d: %s", code, out)
			}
			for _, s := range c.says {
				if !strings.Contains(out, s) {
					t.Errorf("it does not say %q: %s", s, out)
				}
			}
		})
	}
	for _, args := range [][]string{{"--json"}, {"--json", "--floor", "TLSv1.2"}, {"--json", "--for", "100ms", "--port", "2525"}} {
		out, _ := say(args...)
		conforms(t, report.ListenSchema, out)
	}
}

// broken is a state directory of a later release.
func broken(t *testing.T) string {
	t.Helper()
	dir := lab.Dir(t)
	lab.Write(t, dir, "listen.json", `{"version": 99}`, 0o600)
	return dir
}

// conforms checks data against a schema.
func conforms(t *testing.T, schema []byte, data string) {
	t.Helper()
	s, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", s); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal([]byte(data), &doc); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	if err := compiled.Validate(doc); err != nil {
		t.Errorf("%v in %s", err, data)
	}
}
