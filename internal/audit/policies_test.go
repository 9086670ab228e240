package audit

import (
	"context"
	"fmt"
	mail "net/smtp"
	"regexp"
	"slices"
	"strings"
	"testing"

	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/lab"
)

// policyEntries are entries of policy tables, each with whether Postfix defers all mail
// for it before it has looked at the certificate of a server.
var policyEntries = []struct {
	text  string
	fault bool
}{
	{"MAY", false}, {"encrypt,ciphers=high", false}, {"secure match=nexthop:.example.com", false}, {"none ciphers=high foo", false},
	{"encrypt PROTOCOLS=TLSv1.2:TLSv1.3", false}, {"encrypt protocols=>=TLSv1.2", false}, {"encrypt\n # comment\n exclude=aNULL", false}, {"encrypt protocols= exclude=", false},
	{"encrypt servername=foo.example connection_reuse=NO", false}, {"secure match=a match=b", false}, {"fingerprint match=AA:BB", false}, {"may ciphers=HIGH", false},
	{"encrypt protocols=!SSLv2, !SSLv3", true}, {"encypt", true}, {"may match=x", true}, {"dane match=x", true}, {"encrypt ciphers=", true},
	{"encrypt ciphers=high ciphers=medium", true}, {"encrypt foo=bar", true}, {"encrypt protocols=TLSv9", true}, {"encrypt ciphers=strong", true},
	{"fingerprint", true}, {"encrypt connection_reuse=maybe", true}, {"encrypt tafile=/etc/hosts", true}, {"secure match=", true},
	{"may ciphers=strong", true}, {"may protocols=TLSv9", true}, {"may ciphers=strong foo=bar", true},
	{"encrypt protocols = TLSv1.2", true}, {"encrypt # comment", true}, {"encrypt =x", true}, {"half-dane", true}, {"encrypt exclude=a exclude=b", true},
}

// TestPolicyEntries: a real Postfix defers mail for an entry of a policy table exactly
// where the card says so.
func TestPolicyEntries(t *testing.T) {
	receiver := lab.Postfix(t, withChain(t), "%s inet n - n - - smtpd")
	hop := "[" + strings.Replace(receiver.Addrs[0], ":", "]:", 1)
	dir := lab.Dir(t)
	service, table, all := "%s inet n - n - - smtpd", "", ""
	for i, x := range policyEntries {
		path := lab.Write(t, dir, fmt.Sprint("policy", i), hop+" "+x.text+"\n", 0o644)
		service += fmt.Sprintf("\nout%d unix - - n - - smtp -o smtp_tls_policy_maps=texthash:%s", i, path)
		table += fmt.Sprintf(" {t%d.example = out%d:%s}", i, i, hop)
		all += fmt.Sprintf("t%d.example %s\n", i, x.text)
	}
	s := lab.Postfix(t, "smtp_dns_support_level = disabled\nsmtp_tls_policy_maps = texthash:"+lab.Write(t, dir, "all", all, 0o644)+"\ntransport_maps = inline:{"+table+" }\n", service)
	for i := range policyEntries {
		if err := mail.SendMail(s.Addrs[0], nil, "a@example.org", []string{fmt.Sprintf("b@t%d.example", i)}, []byte("Subject: x\r\n\r\nx\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	log := fates(t, s, len(policyEntries))
	f, err := detect.Look(context.Background(), host.ReadOnly{Reader: host.Local{}}, s.Config(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	hits := badPolicy.Find(&Evidence{Facts: f})
	for i, x := range policyEntries {
		// What is wrong with the certificate is not meant here.
		refused := regexp.MustCompile(fmt.Sprintf(`to=<b@t%d\.example>.*deferred \((client TLS configuration problem|Cannot start TLS)`, i)).MatchString(log)
		said := slices.ContainsFunc(hits, func(h Hit) bool {
			return strings.Contains(h.Detail, fmt.Sprintf("t%d.example: ", i)) && strings.HasSuffix(h.At.File, "/all") && h.At.Line > 0
		})
		if refused != x.fault || said != x.fault {
			t.Errorf("%q: refused %v, said %v", x.text, refused, said)
		}
	}
	if t.Failed() {
		t.Logf("%+v\n%s", hits, log)
	}
}
