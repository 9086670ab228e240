package cli_test

import (
	"bytes"
	"encoding/json"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"postseal/certs"
	"postseal/cmd/cli"
	"postseal/internal/lab"
	"postseal/internal/report"
)

// run runs the program and returns what it prints.
func run(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	var b, failed bytes.Buffer
	run, stop := cli.Start(nil, &b, &failed)
	defer stop()
	root := run.Probe()
	run.Flags(root.Flags())
	code = run.Execute(root, args)
	return b.String() + failed.String(), code
}

// probed is what others rely on, by the names of the JSON.
type probed struct {
	Version   int
	Endpoints []struct {
		Address    string
		STARTTLS   bool
		Error      string
		Incomplete bool
		Protocols  []struct {
			Version string
			Suites  []struct {
				ID   uint16
				Name string
			}
		}
		Groups       []string
		Certificates []map[string]any
	}
	Domains []struct {
		Domain string
		MX     []struct {
			DANE struct {
				State string
				Kept  *bool
			}
			Trusted *bool `json:"certificate_valid"`
		}
	}
}

// valid decodes what was printed, and checks it against the schema.
func valid(t *testing.T, out string) (p probed) {
	t.Helper()
	var schema, doc any
	if err := json.Unmarshal(report.ProbeSchema, &schema); err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("probe.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("probe.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if err := compiled.Validate(doc); err != nil {
		t.Errorf("%v in %s", err, out)
	}
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestNoSuchHost: a name that DNS does not have is no matter of ports, and is
// named once.
func TestNoSuchHost(t *testing.T) {
	text, code := run(t, "nosuch.invalid")
	if code != cli.Failed {
		t.Errorf("%d", code)
	}
	if strings.Contains(text, "port 25") || !strings.Contains(text, "is the name right") || strings.Count(text, "nosuch.invalid:25") != 1 {
		t.Error(text)
	}
}

// TestLittle: a server that has no TLS to show is told from one that is not there,
// and is nothing that ends with 0.
func TestLittle(t *testing.T) {
	ca := lab.NewCA(t).Issue(t, lab.Leaf{})
	chain := lab.Write(t, lab.Dir(t), "ec.pem", ca.Key+ca.Cert, 0o600)
	server := lab.Postfix(t, "smtpd_peername_lookup = no\nsmtpd_tls_chain_files = "+chain+"\n", "%s inet n - n - - smtpd",
		"%s inet n - n - - smtpd -o smtpd_tls_security_level=may -o smtpd_tls_chain_files= -o smtpd_tls_cert_file=/nonexistent", "%s inet n - n - - smtpd -o smtpd_tls_security_level=may -o smtpd_tls_exclude_ciphers=aNULL -o smtpd_tls_chain_files=/nonexistent")
	for i, c := range []struct {
		code int
		want string
	}{
		{cli.Failed, "TLS is not to be had from it"},
		{cli.Failed, "TLS is not to be had from it"},
		{cli.Findings, "no TLS could be negotiated"},
	} {
		if out, code := run(t, server.Addrs[i]); code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%d: %d %s", i, code, out)
		}
	}
}

// TestProbe: several servers in one run, one of which is not there, and a domain
// with what it promises; as text, and as the schema says.
func TestProbe(t *testing.T) {
	ca := lab.NewCA(t)
	ec := ca.Issue(t, lab.Leaf{Names: []string{"mx.probe.test"}})
	dir := lab.Dir(t)
	t.Setenv("SSL_CERT_FILE", lab.Write(t, dir, "roots.pem", ca.RootPEM, 0o644))
	t.Setenv("SSL_CERT_DIR", filepath.Join(dir, "none"))
	chain := lab.Write(t, dir, "ec.pem", ec.Key+ec.Cert+ca.IntermediatePEM, 0o600)
	server := lab.Postfix(t, "smtpd_tls_security_level = may\nsmtpd_peername_lookup = no\nsmtpd_tls_protocols = >=TLSv1.2\nsmtpd_tls_exclude_ciphers = aNULL\nsmtpd_tls_chain_files = "+chain+"\n",
		"%s inet n - n - - smtpd", "%s inet n - n - - smtpd -o smtpd_tls_wrappermode=yes")
	out, code := run(t, "--json", server.Addrs[0], "127.0.0.1:1", server.Addrs[0])
	p := valid(t, out)
	if code != cli.Findings || p.Version != 1 || len(p.Endpoints) != 3 || !strings.Contains(p.Endpoints[1].Error, "refused") || !p.Endpoints[1].Incomplete || p.Domains == nil {
		t.Fatalf("%d %+v", code, p)
	}
	e := p.Endpoints[0]
	if e.Address != server.Addrs[0] || !e.STARTTLS || e.Incomplete || len(e.Groups) == 0 || len(e.Protocols) != 2 || len(e.Certificates) != 1 || e.Certificates[0]["subject"] != "CN=mx.probe.test" {
		t.Errorf("%+v", e)
	}
	last := e.Protocols[len(e.Protocols)-1]
	if last.Version != "TLS 1.3" || len(last.Suites) != 3 || last.Suites[0].Name != "TLS_AES_128_GCM_SHA256" || last.Suites[0].ID != 0x1301 {
		t.Errorf("%+v", last)
	}
	if out, code = run(t, "--implicit", "--quick", server.Addrs[1]); code != cli.Done || !strings.Contains(out, "TLS_AES_256_GCM_SHA384") || !strings.Contains(out, "\nrefused  SSL 3.0\n") { // with TLS from the first byte smtpd_tls_mandatory_protocols counts
		t.Errorf("%d %s", code, out)
	}
	if out, code = run(t, "--quick", server.Addrs[0]); code != cli.Done || !strings.Contains(out, "\nrefused  SSL 3.0, TLS 1.0, TLS 1.1\n") {
		t.Errorf("%d %s", code, out)
	}
	if out, code = run(t, "127.0.0.1:1"); code != cli.Failed || !strings.Contains(out, "refused") {
		t.Errorf("%d %s", code, out)
	}
	for _, args := range [][]string{{}, {"a b"}, {"x:y"}, {"--mx", "probe.test", "--port", "smtp"}, strings.Fields(strings.Repeat("h ", 65))} {
		if out, code = run(t, args...); code != cli.Usage {
			t.Errorf("%q: %d %s", args, code, out)
		}
	}
	if out, code = run(t, "--schema"); code != cli.Done || out != string(report.ProbeSchema) {
		t.Errorf("%d %s", code, out)
	}

	z := lab.NewZone(t, "test.")
	_, port, _ := net.SplitHostPort(server.Addrs[0])
	other := ca.Issue(t, lab.Leaf{})
	z.Set("probe.test. 300 IN MX 5 mx.probe.test.", "mx.probe.test. 300 IN A 127.0.0.1", "_"+port+"._tcp.mx.probe.test. 300 IN TLSA "+certs.NewTLSA(ec.Leaf).String())
	args := []string{"--quick", "--mx", "probe.test", "--port", port, "--resolver", z.Resolver}
	out, code = run(t, append(args, "--json")...)
	p = valid(t, out)
	if x := p.Domains[0].MX[0]; code != cli.Done || len(p.Endpoints) != 1 || x.DANE.State != "secure" || x.DANE.Kept == nil || !*x.DANE.Kept || x.Trusted == nil || !*x.Trusted {
		t.Errorf("%d %s", code, out)
	}
	z.Set("_" + port + "._tcp.mx.probe.test. 300 IN TLSA " + certs.NewTLSA(other.Leaf).String())
	if out, code = run(t, args...); code != cli.Findings || !strings.Contains(out, "senders with DANE do not deliver") {
		t.Errorf("%d %s", code, out)
	}
	if out, code = run(t, "--mx", "nosuch.invalid", "--resolver", z.Resolver); code != cli.Failed || !strings.Contains(out, "there is no domain nosuch.invalid") {
		t.Errorf("%d %s", code, out)
	}
	z.Set("bare.test. 300 IN A 127.0.0.1")
	if out, code = run(t, "--quick", "--mx", "bare.test", "--port", port, "--resolver", z.Resolver); code != cli.Done || !strings.Contains(out, "no MX record") {
		t.Errorf("%d %s", code, out)
	}
	z.Set("probe.test. 300 IN MX 5 a/b.probe.test.") // nobody typed that
	if out, code = run(t, args...); code != cli.Findings || !strings.Contains(out, "has no address") {
		t.Errorf("%d %s", code, out)
	}
}
