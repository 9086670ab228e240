package audit

import (
	"cmp"
	"crypto/x509"
	"slices"

	"postseal/certs"
	"postseal/internal/dane"
	"postseal/internal/detect"
	"postseal/internal/domain"
)

// blind says why it is not known what is published for this server; empty if it is known.
// Publishing gets no grade then, whatever is found of domains.
func (e *Evidence) blind() string {
	if !receives(e) || e.Role == detect.Sender {
		return ""
	}
	if e.Resolver.Validates != detect.Yes && len(e.TLSA)+len(e.Unproved) == 0 {
		return cmp.Or(e.Resolver.Why, "no resolver here validates DNSSEC")
	}
	for _, n := range e.NeededNames() {
		if why, unanswered := e.Unanswered[n]; unanswered {
			return "whether " + n + " has TLSA records is not known (" + why + ")"
		}
	}
	return ""
}

// bare are the servers of a domain without secure TLSA records, while another server of
// the domain has some: an attacker on the network path can divert mail to those without.
func bare(d *domain.Domain) (out []string) {
	if !slices.ContainsFunc(d.MX, func(x domain.MX) bool { return x.DANE.State == dane.Secure }) {
		return nil
	}
	for _, x := range d.MX {
		if x.DANE.State == dane.None || x.DANE.State == dane.Insecure {
			out = append(out, x.Name)
		}
	}
	return out
}

// refusedAt are the places, beside the resolver, whose records make senders refuse every
// chain that is shown here.
func refusedAt(e *Evidence) (out []string) {
	shown := e.ServedChains()
	for _, h := range e.DANE {
		at := func(c []*x509.Certificate) []string { return h.Refusals(c, e.MailNames(h.Base), e.Now) }
		for _, p := range h.Places {
			refuses := func(c []*x509.Certificate) bool { return slices.Contains(at(c), p.Server) }
			if len(shown) > 0 && !slices.ContainsFunc(shown, func(c []*x509.Certificate) bool { return !refuses(c) }) {
				out = append(out, "of the records of "+h.Base+" at its name server "+p.Server)
			}
		}
	}
	return out
}

// fleeting reports whether senders can use records, and all of those name one certificate:
// after its next renewal none matches.
func fleeting(records []certs.TLSA) bool {
	lasting := func(r certs.TLSA) bool { return r.Usable() && (r.Usage == 2 || r.Selector == 1) }
	return usable(records) && !slices.ContainsFunc(records, lasting)
}
