// Package dane finds the TLSA records of a mail server as a sending Postfix does
// (RFC 7672, section 2.2; tls_dane_resolve in its source), and judges certificate chains
// by them as senders do.
package dane

import (
	"context"
	"crypto/x509"
	"slices"
	"strings"
	"time"

	"postseal/certs"
	"postseal/internal/resolve"
)

// State is what senders make of what is published for a server.
type State string

// The states.
const (
	Secure   State = "secure"   // validated records: senders hold the server to them
	None     State = "none"     // proved absent: senders do without
	Insecure State = "insecure" // not signed: senders do without, whatever the records say
	Unknown  State = "unknown"  // no usable answer: senders wait, and nothing may be concluded
)

// Host is what is published for one mail server.
type Host struct {
	// Name is the server's, as an MX record names it.
	Name  string
	State State
	// Why says why the state is Insecure or Unknown.
	Why string
	// Base is the name under which the records were found (the TLSA base domain),
	// which senders ask for (SNI) and which certificates must have where a record of
	// usage 2 decides: where Name leads as an alias, or else Name.
	Base string
	// Owner is the name that the records belong to: "_25._tcp." before Base, or where
	// that leads.
	Owner string
	// Set are the records that can be read; Values are all, as they are published.
	Set    []certs.TLSA
	Values []string
	TTL    time.Duration
	// Addresses are where the server is.
	Addresses []string
	// Signed is true if the addresses are validated, so that senders look for records.
	Signed bool
	// Places are what the name servers say, once Everywhere has asked them; Refresh is
	// how long one of them may be behind.
	Places  []Place
	Refresh time.Duration
	// Answered is true where nothing was found by a resolver that does not validate:
	// the state is Unknown, since another one might find records.
	Answered bool
}

// Resolve finds the records of a server for a port.
func Resolve(ctx context.Context, r resolve.Resolver, name, port string) Host {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	h := Host{Name: name, Base: name, Owner: owner(port, name)}
	target, secure, unknown := h.address(ctx, r)
	if unknown != nil {
		return h.unknown(*unknown)
	}
	// Where an alias leads counts first, if all the way there is signed.
	if h.Signed = secure; secure {
		if done := h.ask(ctx, r, port, target); done || target == name {
			return h
		}
	} else if target != name {
		switch a := r.Ask(ctx, name, resolve.CNAME).(type) {
		case resolve.Unknown:
			return h.unknown(a)
		case resolve.Records:
			secure = a.Secure
		}
	}
	if h.Signed = secure; secure {
		h.ask(ctx, r, port, name)
		return h
	}
	// No sender asks; whether there are records is told all the same.
	h.State = None
	if a, ok := r.Ask(ctx, owner(port, name), resolve.TLSA).(resolve.Records); ok {
		h.State, h.Why = Insecure, "the addresses of "+name+" are not signed"
		h.take(a, name)
	}
	return h
}

// Doubted returns h as it is known through a resolver that may not validate: the state is
// Unknown, and the records stay as the resolver has them.
func (h Host) Doubted(validates bool, why string) Host {
	if !validates && h.State != Unknown {
		h.Answered, h.State, h.Why = h.State == None, Unknown, why
	}
	return h
}

// owner returns the name of the TLSA records of a server.
func owner(port, name string) string { return "_" + port + "._tcp." + name }

// unknown returns h with the reason why nothing is known of it.
func (h Host) unknown(u resolve.Unknown) Host {
	h.State, h.Why = Unknown, u.Text
	return h
}

// address looks up where a server is: target is where its name leads as an alias, or the
// name itself, and secure whether all of that is validated. As for Postfix, the
// addresses of one family are enough.
func (h *Host) address(ctx context.Context, r resolve.Resolver) (target string, secure bool, unknown *resolve.Unknown) {
	h.Addresses, target = []string{}, ""
	for _, kind := range []uint16{resolve.A, resolve.AAAA} {
		switch a := r.Ask(ctx, h.Name, kind).(type) {
		case resolve.Unknown:
			unknown = &a
		case resolve.Absent:
			if target == "" {
				target, secure = a.Owner, a.Secure
			}
		case resolve.Records:
			if len(h.Addresses) == 0 || !a.Secure {
				target, secure = a.Owner, a.Secure
			}
			h.Addresses = append(h.Addresses, a.Values...)
		}
	}
	if len(h.Addresses) > 0 {
		unknown = nil
	}
	return target, secure, unknown
}

// ask looks for the records under one name; done is false if there are none that
// count, so that another name may be tried.
func (h *Host) ask(ctx context.Context, r resolve.Resolver, port, base string) (done bool) {
	switch a := r.Ask(ctx, owner(port, base), resolve.TLSA).(type) {
	case resolve.Unknown:
		h.State, h.Why, h.Base, h.Owner = Unknown, a.Text, base, owner(port, base)
		return true
	case resolve.Records:
		h.take(a, base)
		if a.Secure {
			h.State = Secure
			return true
		}
		h.State, h.Why = Insecure, "its TLSA records are not signed"
		return false
	case resolve.Absent:
		if h.State != Insecure {
			h.State, h.Owner = None, a.Owner
		}
	}
	return false
}

// take notes records that were found under one name.
func (h *Host) take(a resolve.Records, base string) {
	h.Base, h.Owner, h.Values, h.TTL, h.Set = base, a.Owner, a.Values, a.TTL, Parse(a.Values)
}

// Parse reads the records that can be read.
func Parse(values []string) (out []certs.TLSA) {
	for _, text := range values {
		if r, err := certs.ParseTLSA(text); err == nil {
			out = append(out, r)
		}
	}
	return out
}

// Verdict is what senders do with a server.
type Verdict string

// The verdicts.
const (
	Verified        Verdict = "verified"        // a record authenticates it
	Unauthenticated Verdict = "unauthenticated" // TLS is required, and no record can authenticate
	Opportunistic   Verdict = "opportunistic"   // no records that count
	Refused         Verdict = "refused"         // the records do not fit: mail waits, and bounces at last
	Deferred        Verdict = "deferred"        // no usable answer: mail waits
)

// Judge returns what senders at level dane do with a server that presents a chain. Where
// a record of usage 2 decides, the certificate must have the name Base or one of the
// domains that the mail is for. The second result says what the records made of the
// chain, if they count.
func (h Host) Judge(chain []*x509.Certificate, domains []string, now time.Time) (Verdict, certs.DANEVerdict) {
	switch h.State {
	case Unknown:
		return Deferred, certs.DANEVerdict{Why: h.Why}
	case None, Insecure:
		return Opportunistic, certs.DANEVerdict{Why: h.Why}
	}
	d := certs.JudgeTLSA(h.Set, chain, append(slices.Clone(domains), h.Base), now)
	switch d.Outcome {
	case certs.Authenticated:
		return Verified, d
	case certs.NotUsable:
		return Unauthenticated, d
	}
	return Refused, d
}
