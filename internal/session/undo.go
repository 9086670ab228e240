package session

import (
	"fmt"
	"slices"

	"postseal/certs"
	"postseal/internal/apply"
	"postseal/internal/dane"
	"postseal/internal/plan"
	"postseal/internal/postfix/maincf"
	"postseal/internal/postfix/mastercf"
)

// UndoRisks returns the risks, with senders that use DANE, of the certificates that an
// undo of a run brings back: their records may have been removed since.
func (s *Session) UndoRisks(r *apply.Receipt) []plan.Risk {
	published := func(h dane.Host) bool { return h.State == dane.Secure || h.State == dane.Unknown && !h.Answered }
	back := s.broughtBack(r)
	if len(back) == 0 || !slices.ContainsFunc(s.Facts.DANE, published) {
		return nil
	}
	var out []plan.Risk
	chains := s.earlier(r)
	for _, print := range back {
		i := slices.IndexFunc(chains, func(c certs.Chain) bool { return c.Facts(nil).Fingerprint == print })
		if i >= 0 {
			out = append(out, plan.DANERisks(s.Facts, chains[i])...)
			continue
		}
		out = append(out, plan.Risk{Name: plan.RiskUnprovedDANE, Text: fmt.Sprintf("a certificate that would be presented again (SHA-256 %.16s…) cannot be read here: it is unknown whether the TLSA records still authenticate it", print)})
	}
	return out
}

// broughtBack returns the fingerprints of certificates that were served before a run and
// are not served now.
func (s *Session) broughtBack(r *apply.Receipt) (out []string) {
	now := map[string]bool{}
	for _, c := range s.Facts.ServerCertificates() {
		now[c.Fingerprint] = true
	}
	for _, p := range r.Before {
		for _, print := range p.Serves {
			if p.OK && print != "" && !now[print] && !slices.Contains(out, print) {
				out = append(out, print)
			}
		}
	}
	slices.Sort(out)
	return out
}

// earlier returns the chains in files that a run replaced, and in those that the
// configuration named before it.
func (s *Session) earlier(r *apply.Receipt) (out []certs.Chain) {
	before := s.Facts.Clone()
	for _, old := range apply.Replaced(s.Machine, s.StateDir, r) {
		switch old.Kind {
		case plan.ChainPEM:
			if b, err := certs.Read(old.Path, old.Data); err == nil {
				found, _ := b.Chains(nil)
				out = append(out, found...)
			}
		case plan.MainCF:
			before.Config.Main = maincf.Parse(string(old.Data))
		case plan.MasterCF:
			before.Config.Master = mastercf.Parse(string(old.Data))
		}
	}
	services := []*mastercf.Service{nil}
	for _, x := range before.Config.Master.Services() {
		services = append(services, &x)
	}
	for _, x := range services {
		groups, _ := before.CertificateFiles(x, "smtpd_tls_")
		for _, file := range slices.Concat(groups...) {
			before.Inspect(s.Machine, []string{file})
			found, _, _ := before.Chains(file)
			for _, c := range found {
				out = append(out, c.Chain)
			}
		}
	}
	return out
}
