package audit

import (
	"cmp"
	"crypto/x509"
	"slices"
	"strings"

	"postseal/internal/dane"
	"postseal/internal/detect"
	"postseal/internal/domain"
)

// blind says why it cannot be told what is published for this server; empty if it can.
// Nothing that is found elsewhere makes a grade of it then.
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

// bare are servers of a domain without TLSA records that count, while another one of the
// domain has some: an attacker has mail sent to those.
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

// fleeting are names all of whose usable records are about one certificate, and wrong
// after the next renewal.
func fleeting(e *Evidence) (out []string) {
	for name, records := range e.TLSA {
		lasting := 0
		for _, r := range records {
			if r.Usable() && (r.Usage == 2 || r.Selector == 1) {
				lasting++
			}
		}
		if lasting == 0 && usable(records) {
			out = append(out, name)
		}
	}
	slices.SortFunc(out, strings.Compare)
	return out
}
