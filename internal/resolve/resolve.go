// Package resolve looks up DNS records. An answer is one of three, Records, Absent or
// Unknown, and a caller has to tell them apart: what could not be looked up is never
// taken for absent.
package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"postseal/internal/host"
)

// The types of records that are asked for.
const (
	A     = dns.TypeA
	AAAA  = dns.TypeAAAA
	CAA   = dns.TypeCAA
	CNAME = dns.TypeCNAME
	MX    = dns.TypeMX
	NS    = dns.TypeNS
	SOA   = dns.TypeSOA
	TLSA  = dns.TypeTLSA
	TXT   = dns.TypeTXT
)

// Answer is what is known of the records of one name and type: Records, Absent or
// Unknown.
type Answer interface{ answer() }

// Records is the answer that there are some.
type Records struct {
	// Values are in presentation form, without owner, class and TTL.
	Values []string
	// Secure is true if the server that was asked says that it validated them (AD,
	// RFC 4035). What that is worth depends on the server.
	Secure bool
	// Owner is the name that the records belong to: the one asked for, or where its
	// aliases (CNAME) lead; lower case, without a final dot.
	Owner string
	// TTL is how long such an answer may be kept.
	TTL time.Duration
}

// Absent is the answer that there are no such records.
type Absent struct {
	// Secure is true if the server that was asked says that it validated that.
	Secure bool
	// NoName is true if there is nothing of any type at the name.
	NoName bool
	// Owner is as in Records.
	Owner string
}

// Unknown is no usable answer: there may be records or not.
type Unknown struct {
	Reason Reason
	// Text says what happened, and with which server.
	Text string
	// Code is the response code, if there was an answer: "SERVFAIL", "REFUSED".
	Code string
}

func (Records) answer() {}
func (Absent) answer()  {}
func (Unknown) answer() {}

// Error makes an Unknown an error.
func (u Unknown) Error() string { return u.Text }

// Reason is why an answer is not known.
type Reason string

// The reasons.
const (
	ServFail  Reason = "SERVFAIL"    // what a wrong signature looks like behind a resolver that validates
	Refused   Reason = "refused"     // a code other than NOERROR, NXDOMAIN and SERVFAIL
	Timeout   Reason = "timeout"     // no answer in time
	Unreached Reason = "unreachable" // nothing listens there, or there is no route
	Malformed Reason = "malformed"   // an answer that cannot be read
	Lame      Reason = "lame"        // a name server that does not serve the zone
	NoServer  Reason = "no server"   // no server to ask
	NoZone    Reason = "no zone"     // the zone of a name was not found
)

// Resolver asks the resolvers of a machine, in the order of resolv.conf(5).
type Resolver struct {
	Machine host.Reader
	// Servers are addresses with ports.
	Servers []string
}

// Ask looks up the records of one name and type. As the C library does, it goes on to
// the next server if one has no usable answer.
func (r Resolver) Ask(ctx context.Context, name string, kind uint16) Answer {
	var first Answer = Unknown{Reason: NoServer, Text: "no DNS resolver is known"}
	for i, server := range r.Servers {
		a, _ := r.one(ctx, server, name, kind)
		if _, unknown := a.(Unknown); !unknown {
			return a
		}
		if i == 0 {
			first = a
		}
	}
	return first
}

// one asks one server. authoritative reports whether the server says that it serves the
// zone itself (AA, RFC 1035).
func (r Resolver) one(ctx context.Context, server, name string, kind uint16) (a Answer, authoritative bool) {
	what := fmt.Sprintf("asking %s for %s %s", server, name, dns.TypeToString[kind])
	got, err := r.Machine.LookUp(ctx, server, name, kind)
	var timeout net.Error
	var unreadable *dns.Error
	switch {
	case err == nil:
	case errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded):
		return Unknown{Reason: Timeout, Text: what + ": no answer in time"}, false
	case errors.As(err, &unreadable):
		return Unknown{Reason: Malformed, Text: err.Error()}, false
	default:
		return Unknown{Reason: Unreached, Text: err.Error()}, false
	}
	owner := strings.ToLower(strings.TrimSuffix(name, "."))
	if got.Alias != "" {
		owner = got.Alias
	}
	switch {
	case got.RCode == "SERVFAIL":
		return Unknown{ServFail, what + ": SERVFAIL", got.RCode}, false
	case got.RCode != "NOERROR" && got.RCode != "NXDOMAIN":
		return Unknown{Refused, what + ": " + got.RCode, got.RCode}, false
	case len(got.Records) == 0:
		return Absent{got.AD, got.RCode == "NXDOMAIN", owner}, got.Authoritative
	}
	values := slices.Clone(got.Records)
	slices.Sort(values) // resolvers answer in another order each time
	return Records{values, got.AD, owner, time.Duration(got.TTL) * time.Second}, got.Authoritative
}

// Validates reports whether the first server says that it validated the root zone, as
// Postfix asks it (dnssec_probe, postconf(5)).
func (r Resolver) Validates(ctx context.Context) bool {
	if len(r.Servers) == 0 {
		return false
	}
	a, _ := r.one(ctx, r.Servers[0], ".", NS)
	return Secure(a)
}

// Secure reports whether the server that was asked says that it validated an answer.
func Secure(a Answer) bool {
	switch a := a.(type) {
	case Records:
		return a.Secure
	case Absent:
		return a.Secure
	}
	return false
}

// IsName reports whether a text can be a domain name.
func IsName(text string) bool {
	_, ok := dns.IsDomainName(text)
	return ok && text != ""
}
