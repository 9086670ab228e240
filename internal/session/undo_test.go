package session_test

import (
	"context"
	"crypto/x509"
	"slices"
	"strings"
	"testing"

	"postseal/certs"
	"postseal/internal/apply"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/plan"
)

// TestUndoRisks: an undo names the risk of a certificate that it brings back and that the
// published records do not authenticate, however main.cf named its file.
func TestUndoRisks(t *testing.T) {
	ca := lab.NewCA(t)
	old, next := ca.Issue(t, lab.Leaf{}), ca.Issue(t, lab.Leaf{})
	record := func(i lab.Issued) string { return certs.NewTLSA(i.Leaf).String() }
	for name, c := range map[string]struct {
		main, master string
		records      []string
		gone         bool // the old file is not there any more
		want         []string
	}{
		"by its path":         {"smtpd_tls_chain_files = /c/old.pem\n", "", []string{record(next)}, false, []string{plan.RiskBreakDANE}},
		"by a name":           {"certs = /c\nsmtpd_tls_chain_files = $certs/old.pem\n", "", []string{record(next)}, false, []string{plan.RiskBreakDANE}},
		"by name and list":    {"files = /c/old.pem, /c/ec.pem\nsmtpd_tls_chain_files = ${files}\n", "", []string{record(next)}, false, []string{plan.RiskBreakDANE}},
		"relative":            {"smtpd_tls_cert_file = $config_directory/old.pem\nsmtpd_tls_key_file = $smtpd_tls_cert_file\n", "", []string{record(next)}, false, []string{plan.RiskBreakDANE}},
		"by an override":      {"smtpd_tls_security_level = may\n", " -o smtpd_tls_chain_files=/c/old.pem", []string{record(next)}, false, []string{plan.RiskBreakDANE}},
		"its record is there": {"certs = /c\nsmtpd_tls_chain_files = $certs/old.pem\n", "", []string{record(next), record(old)}, false, nil},
		"no records":          {"smtpd_tls_chain_files = /c/old.pem\n", "", nil, false, nil},
		"its file is gone":    {"smtpd_tls_chain_files = /c/old.pem\n", "", []string{record(next)}, true, []string{plan.RiskUnprovedDANE}},
	} {
		t.Run(name, func(t *testing.T) {
			pem := old.Key + old.Cert + ca.IntermediatePEM
			m := lab.Machine(t, "3.7.11", map[string]string{
				"main.cf": "myhostname = mx.example.org\nrelay_domains = example.org\n" + c.main, "master.cf": "smtp inet n - n - - smtpd" + c.master + "\nsmtp unix - - n - - smtp\n",
				"/c/old.pem": pem, "/etc/postfix/old.pem": pem, "/c/ec.pem": next.Key + next.Cert + ca.IntermediatePEM, "/etc/resolv.conf": "nameserver 127.0.0.1\n",
			})
			m.DNS[". NS"] = host.Answer{RCode: "NOERROR", AD: true, Records: []string{"a."}}
			s := open(t, m, map[string][]string{"cert": {"/c/ec.pem"}})
			p, err := s.Plan(s.Answers)
			if err != nil {
				t.Fatal(err)
			}
			o := s.ApplyOptions()
			o.FilesOnly, o.Accept = true, names(p.Risks)
			r, err := apply.Run(context.Background(), m, p, o)
			if err != nil {
				t.Fatal(err)
			}
			r.Before = []apply.Proof{{OK: true, Serves: map[string]string{"ECDSA": certs.Chain{Certs: []*x509.Certificate{old.Leaf}}.Facts(nil).Fingerprint}}}
			if c.gone {
				if err := m.Remove("/c/old.pem"); err != nil {
					t.Fatal(err)
				}
			}
			if len(c.records) > 0 {
				m.DNS["_25._tcp.mx.example.org TLSA"] = host.Answer{RCode: "NOERROR", AD: true, Records: c.records, TTL: 60}
			}
			var got []string
			for _, risk := range open(t, m, nil).UndoRisks(r) {
				if !slices.Contains(got, risk.Name) && risk.Name != plan.RiskDANEGap { // since when the records are there is not known
					got = append(got, risk.Name)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s, want %s", strings.Join(got, " "), strings.Join(c.want, " "))
			}
		})
	}
}
