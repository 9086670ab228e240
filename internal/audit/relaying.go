package audit

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
)

// allCertificates is the restriction that permits every client with a certificate
// from a trusted CA (postconf(5)).
const allCertificates = "permit_tls_all_clientcerts"

// restrictions are the lists that a client goes through up to the end of a message.
// A recipient elsewhere is only accepted if all of them let it pass.
var restrictions = []string{
	"smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions", "smtpd_relay_restrictions",
	"smtpd_recipient_restrictions", "smtpd_data_restrictions", "smtpd_end_of_data_restrictions",
}

// stops are the restrictions that no stranger passes with a recipient elsewhere.
var stops = []string{"reject", "defer", "defer_if_permit", "reject_unauth_destination", "defer_unauth_destination", "check_relay_domains"}

// defaultRelaying is what counts if nothing is set (postconf(5),
// smtpd_relay_restrictions).
const defaultRelaying = "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination"

// relaying is what one smtpd does with a recipient elsewhere.
type relaying struct {
	e *Evidence
	s mastercf.Service
	// certificate says that the client has a certificate from a trusted CA.
	certificate bool
}

// relaysForCertificates finds the first list in which nothing but the certificate
// decides that a stranger may relay. Where strangers may relay without one, or where
// one is of no help, there is none.
func (e *Evidence) relaysForCertificates(s mastercf.Service) (name string, at postfix.Origin, ok bool) {
	with, without := relaying{e, s, true}, relaying{e: e, s: s}
	for _, n := range restrictions {
		if !with.passes(n) {
			return "", postfix.Origin{}, false
		}
		if name == "" && !without.passes(n) {
			name, at = n, e.Config.Value(&s, n).Origin
		}
	}
	return name, at, name != ""
}

// passes reports whether the client and its recipient pass a list. A list that ends
// without a decision lets them pass.
func (r relaying) passes(name string) bool {
	v := r.e.Config.Value(&r.s, name)
	if level := r.e.Config.Text(&r.s, "compatibility_level"); name == "smtpd_relay_restrictions" && !v.Set && level != "" && level != "0" {
		v.Text = defaultRelaying
	}
	permit, decided := r.decide(v.Text, nil)
	return permit || !decided
}

// decide goes through restrictions and the classes among them, as far as they are
// the same for every stranger. What a table or a policy service says is not known
// here, but a table may name a class.
func (r relaying) decide(text string, within []string) (permit, decided bool) {
	classes := postfix.List(strings.ToLower(r.e.Config.Text(&r.s, "smtpd_restriction_classes")))
	class := func(name string) (permit, decided bool) {
		if slices.Contains(within, name) {
			return false, false
		}
		return r.decide(r.e.Config.Text(&r.s, name), append(slices.Clone(within), name))
	}
	warning := false
	for _, word := range strings.FieldsFunc(strings.ToLower(text), func(c rune) bool { return strings.ContainsRune(", \t\r\n{}", c) }) {
		warned := warning
		warning = word == "warn_if_reject"
		switch {
		case word == "permit", word == allCertificates && r.certificate:
			return true, true
		case slices.Contains(stops, word) && !warned:
			return false, true
		case slices.Contains(classes, word):
			if permit, decided := class(word); decided && (permit || !warned) {
				return permit, true
			}
		case r.certificate && strings.HasPrefix(word, "check_") && strings.HasSuffix(word, "_access"):
			for _, c := range classes {
				if r.permitsCertificates(c) {
					return true, true
				}
			}
		}
	}
	return false, false
}

// permitsCertificates reports whether a class permits clients for their certificate
// alone.
func (r relaying) permitsCertificates(class string) bool {
	with, _ := r.decide(r.e.Config.Text(&r.s, class), []string{class})
	r.certificate = false
	without, _ := r.decide(r.e.Config.Text(&r.s, class), []string{class})
	return with && !without
}

// decidesByCertificate reports whether a list or a class of a service lets in or turns
// away clients by their certificates.
func (e *Evidence) decidesByCertificate(s mastercf.Service) bool {
	names := slices.Concat(restrictions, postfix.List(e.Config.Text(&s, "smtpd_restriction_classes")))
	return slices.ContainsFunc(names, func(name string) bool {
		return slices.ContainsFunc(postfix.List(strings.ToLower(e.Config.Text(&s, name))), func(word string) bool {
			return word == "permit_tls_clientcerts" || word == allCertificates || word == "check_ccert_access"
		})
	})
}

// publicClientCAs says which public CAs a service trusts for client certificates, and
// by which setting; empty if there is none.
func (e *Evidence) publicClientCAs(s mastercf.Service) string {
	named := false
	for _, name := range []string{"smtpd_tls_CAfile", "smtpd_tls_CApath"} {
		v := e.Config.Value(&s, name)
		if v.Text == "" {
			continue
		}
		named = true
		public := slices.DeleteFunc(slices.Clone(e.CAFiles[v.Text].Certs), func(c *x509.Certificate) bool { return !e.PublicCA(c) })
		switch len(public) {
		case 0:
		case 1:
			return fmt.Sprintf("%s (%s) trusts a public CA, %.60s", name, place(v), public[0].Subject.CommonName)
		default:
			return fmt.Sprintf("%s (%s) trusts %d public CAs", name, place(v), len(public))
		}
	}
	// Postfix adds the system's CAs to others only (tls_certkey(3)).
	if v := e.Config.Value(&s, "tls_append_default_CA"); named && strings.EqualFold(v.Text, "yes") && slices.ContainsFunc(e.Bundle.Certs, e.PublicCA) {
		return fmt.Sprintf("tls_append_default_CA (%s) trusts the public CAs of the system", place(v))
	}
	return ""
}

// place is the line of a value: whose it is, the finding says already.
func place(v postfix.Value) string {
	return postfix.Origin{File: v.Origin.File, Line: v.Origin.Line}.String()
}

// openRelay says why every holder of a certificate from a public CA may relay through
// a service, and where that is set; empty if that is not so.
func (e *Evidence) openRelay(s mastercf.Service) (why string, at postfix.Origin) {
	if !e.AsksCertificate(s) {
		return "", at
	}
	cas := e.publicClientCAs(s)
	if cas == "" {
		return "", at
	}
	name, at, ok := e.relaysForCertificates(s)
	if !ok {
		return "", at
	}
	return fmt.Sprintf("relays for them: %s in %s; %s", allCertificates, name, cas), at
}

// servers are the smtpd services that meet strangers: those at a listener, and those
// to which postscreen hands clients on.
func (e *Evidence) servers() (out []mastercf.Service) {
	for _, l := range e.Receives(detect.Relay, detect.Submission, detect.Submissions) {
		s := detect.Behind(e.Config, l.Service)
		if s.Program() != "postscreen" && !slices.ContainsFunc(out, func(t mastercf.Service) bool { return t.ID() == s.ID() }) {
			out = append(out, s)
		}
	}
	return out
}
