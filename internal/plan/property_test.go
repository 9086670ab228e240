package plan_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/certs"
	"postseal/internal/detect"
	"postseal/internal/lab"
	"postseal/internal/plan"
	"postseal/internal/postfix"
	"postseal/internal/postfix/maincf"
	"postseal/internal/postfix/mastercf"
	"postseal/internal/posture"
)

var seed = flag.Uint64("seed", 1, "of the generated configurations; 0: another one each time")

// ofPosture are the risks that are differences of posture: the others have other causes.
var ofPosture = []string{
	plan.RiskLowerInboundFloor, plan.RiskDropTLS10, plan.RiskTLS13Only, plan.RiskDropTLS13, plan.RiskRequireInbound, plan.RiskLowerInbound,
	plan.RiskRequireSubmission, plan.RiskPasswordInClear, plan.RiskRequireAuthTLS, plan.RiskRequireClientCertificate, plan.RiskDropCertificate,
	plan.RiskDropRSA, plan.RiskAllowCiphers, plan.RiskDropOldCiphers, plan.RiskRequireOutbound, plan.RiskLowerOutbound, plan.RiskStopOutbound,
	plan.RiskRaiseOutboundFloor, plan.RiskLowerOutboundFloor, plan.RiskWiderTrust, plan.RiskDropTrust, plan.RiskNoCertificate,
}

// TestEveryPlaceIsNamed: for generated configurations and answers, each listener and route
// that becomes weaker, or shuts somebody out, is named by a risk, and no other is.
func TestEveryPlaceIsNamed(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed %d", *seed)
	r := rand.New(rand.NewPCG(*seed, 1))
	pick := func(odds float64, format string, values ...string) string {
		if r.Float64() > odds {
			return ""
		}
		return fmt.Sprintf(format, values[r.IntN(len(values))])
	}
	protocols := []string{">=TLSv1", ">=TLSv1.2", ">=TLSv1.3", "!TLSv1.1"}
	named := 0
	for range 150 {
		main := "myhostname = mx.example.org\nrelay_domains = example.org\nsmtpd_tls_cert_file = /etc/ssl/mail/mx.pem\nsmtpd_tls_key_file = /etc/ssl/mail/mx.key\n" +
			pick(0.8, "smtpd_tls_security_level = %s\n", "may", "may", "encrypt", "none") + pick(0.2, "smtpd_use_tls = %s\n", "yes", "no") +
			pick(0.5, "smtpd_tls_protocols = %s\n", protocols...) + pick(0.5, "smtpd_tls_mandatory_protocols = %s\n", protocols...) +
			pick(0.5, "smtpd_tls_exclude_ciphers = %s\n", "aNULL", "kRSA, kDHE, SHA1", "SHA256, SHA384", "RC4") +
			pick(0.3, "smtpd_sasl_auth_enable = %s\n", "yes") + pick(0.3, "smtpd_tls_auth_only = %s\n", "yes", "no") +
			pick(0.7, "smtp_tls_security_level = %s\n", "may", "encrypt", "none", "secure") + pick(0.2, "smtp_use_tls = %s\n", "yes") +
			pick(0.3, "smtp_tls_protocols = %s\n", append(protocols, "$smtpd_tls_protocols")...) + pick(0.3, "smtp_tls_mandatory_protocols = %s\n", protocols...) +
			pick(0.2, "smtp_tls_exclude_ciphers = %s\n", "$smtpd_tls_exclude_ciphers", "aNULL")
		own := func(side string) string {
			return pick(0.3, " -o "+side+"_tls_security_level=%s", "may", "encrypt", "none") + pick(0.2, " -o "+side+"_enforce_tls=%s", "yes") +
				pick(0.3, " -o "+side+"_tls_mandatory_protocols=%s", protocols...) + pick(0.3, " -o "+side+"_tls_protocols=%s", protocols...)
		}
		master := "smtp inet n - n - - smtpd" + own("smtpd") + "\nsubmission inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes" + own("smtpd") +
			"\n2525 inet n - n - - smtpd" + own("smtpd") + "\nsmtp unix - - n - - smtp" + own("smtp") + "\npartner unix - - n - - smtp" + own("smtp") + "\n"
		var answers []string
		for _, a := range []string{
			pick(0.3, "inbound-level=%s", "may", "encrypt"), pick(0.3, "min-protocol=%s", "TLSv1", "TLSv1.2", "TLSv1.3"), pick(0.4, "profile=%s", "compatible", "intermediate", "modern"),
			pick(0.3, "outbound-level=%s", "may", "encrypt"), pick(0.3, "auth-tls-only=%s", "yes", "no"), pick(0.2, "cert=%s", "none", "/etc/ssl/mail/ec.pem"), pick(0.3, "submission=%s", "keep", "encrypt"),
		} {
			if a != "" {
				answers = append(answers, a)
			}
		}
		p, f := build(t, lab.Machine(t, "3.7.11", tree(t, main, master)), answers...)
		if p.Empty() {
			continue
		}
		var text strings.Builder
		for _, x := range p.Risks {
			if slices.Contains(ofPosture, x.Name) {
				text.WriteString(" " + x.Name + ": " + x.Text + "\n")
			}
		}
		for id, why := range worse(f, p) {
			switch told := strings.Contains(text.String(), id); {
			case why != "" && !told:
				t.Errorf("%s: %s, and no risk names it\n%s%sanswers %v\n%s", id, why, main, master, answers, text.String())
			case why == "" && told:
				t.Errorf("%s: a risk names it, and it did not change\n%s%sanswers %v\n%s", id, main, master, answers, text.String())
			case told:
				named++
			}
		}
	}
	t.Logf("%d places named", named)
	if named == 0 {
		t.Error("nothing became weaker: the generator generates nothing")
	}
}

// worse says of each listener and route how it becomes weaker, or shuts somebody out;
// empty if it does not.
func worse(f *detect.Facts, p *plan.Plan) map[string]string {
	c := f.Config
	if text := after(p, plan.MainCF); text != "" {
		c.Main = maincf.Parse(text)
	}
	if text := after(p, plan.MasterCF); text != "" {
		c.Master = mastercf.Parse(text)
	}
	fresh := map[string]certs.Facts{}
	for _, file := range p.Files {
		if file.Assemble != nil {
			chains, _, _ := f.Chains(file.Assemble.From...)
			for _, chain := range chains {
				fresh[file.Path] = chain.Facts
			}
		}
	}
	was, is := posture.Of(f, f.Config, nil), posture.Of(f, c, fresh)
	out := map[string]string{}
	note := func(id string, bad bool, why string) {
		if out[id] == "" {
			out[id] = ""
		}
		if bad {
			out[id] += why + ". "
		}
	}
	for i, a := range was.Listeners {
		b := is.Listeners[i]
		id := a.ID()
		note(id, a.TLS.Is != b.TLS.Is && (a.TLS.Is == posture.Mandatory || b.TLS.Is == posture.Mandatory), "its level changes")
		note(id, a.Works() && !b.Works(), "its TLS ends")
		note(id, a.Login.Is != b.Login.Is && a.TLS.Is != posture.Mandatory && b.TLS.Is != posture.Mandatory, "when it takes passwords changes")
		if a.Works() && b.Works() {
			note(id, missing(a.Versions.Is, b.Versions.Is), "it loses a version")
			note(id, b.Floor().Below(a.Floor()) && b.Floor().Below(postfix.TLSv12), "it takes an old version")
			note(id, strings.Join(a.Suites.Excluded, " ") != strings.Join(b.Suites.Excluded, " ") && counts(a, b), "its suites change")
			note(id, a.Serves["RSA"] != "" && b.Serves["RSA"] == "", "it loses its RSA certificate")
		}
	}
	for i, a := range was.Routes {
		b := is.Routes[i]
		x, y := a.Level.Is, b.Level.Is
		note(a.ID(), x != y && (x != "none" || y != "may"), "its level changes")
		if x == y && x != "none" {
			note(a.ID(), missing(a.Versions.Is, b.Versions.Is), "it loses a version")
			note(a.ID(), len(a.Versions.Is) > 0 && len(b.Versions.Is) > 0 && b.Versions.Is[0].Below(a.Versions.Is[0]) && b.Versions.Is[0].Below(postfix.TLSv12), "it offers an old version")
			note(a.ID(), strings.Join(a.Suites.Excluded, " ") != strings.Join(b.Suites.Excluded, " ") && counts2(a.Suites, b.Suites, a.Versions.Is, b.Versions.Is), "its suites change")
		}
	}
	return out
}

// missing reports whether one of them is not among the others.
func missing(some, others []postfix.Protocol) bool {
	return slices.ContainsFunc(some, func(p postfix.Protocol) bool { return !slices.Contains(others, p) })
}

func counts(a, b posture.Listener) bool {
	return counts2(a.Suites, b.Suites, a.Versions.Is, b.Versions.Is)
}

// counts2 reports whether a class of suites comes or goes that some clients have alone, at
// the version that has them.
func counts2(a, b posture.Suites, was, is []postfix.Protocol) bool {
	if !slices.Contains(was, postfix.TLSv12) || !slices.Contains(is, postfix.TLSv12) {
		return false
	}
	has := func(s posture.Suites, class string) bool { return slices.Contains(s.Excluded, class) }
	for _, class := range []string{"kRSA", "kDHE", "SHA1", "SHA256", "SHA384"} {
		if has(a, class) != has(b, class) {
			return true
		}
	}
	return has(a, "aNULL") && !has(b, "aNULL")
}
