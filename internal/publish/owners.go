package publish

import (
	"slices"
	"strings"
	"time"

	"postseal/certs"
)

// State is what is known of an owner.
type State string

// The states.
const (
	Signed   State = "signed"   // validated (RFC 4035, AD)
	Unsigned State = "unsigned" // no DNSSEC: no sender looks at its records
	Unproved State = "unproved" // no usable answer: nothing is known
)

// Owner is a name that TLSA records belong to, with what is published there.
type Owner struct {
	// Name is "_25._tcp.mx.example.org".
	Name    string
	State   State
	Records []certs.TLSA
	// Hosts are the names of which a certificate must have one where a record of usage 2
	// decides; without any, names are not checked.
	Hosts []string
	// Why is the reason for the state Unproved.
	Why string
	// Now is the time at which chains are judged.
	Now time.Time
	// Servers are the authoritative name servers, if they could be asked.
	Servers []Server
	// TTL is how long an answer about it may be kept; Refresh how long a
	// secondary server of the zone may be behind (RFC 1035, section 3.3.13).
	TTL, Refresh time.Duration
}

// Server is one authoritative name server, and what it has.
type Server struct {
	Name    string
	Records []certs.TLSA
	// Unknown is why that is not known; empty if it is.
	Unknown string
}

// published reports whether there are records, at any name server or at the resolver, which
// may still have an answer from before.
func (o Owner) published() bool {
	return len(o.Records) > 0 || slices.ContainsFunc(o.Servers, func(s Server) bool { return len(s.Records) > 0 })
}

// lagging returns the servers that have no record for a key, or the resolver if all of
// them have one and it does not.
func (o Owner) lagging(k Key) (out []string) {
	for _, s := range o.Servers {
		if s.Unknown == "" && !k.named(o, s.Records) {
			out = append(out, s.Name)
		}
	}
	if len(out) == 0 && !k.named(o, o.Records) {
		out = append(out, "the resolver")
	}
	return out
}

// laggingAt names an owner without a record for the key, and the servers that lack it;
// it is empty if all have one.
func (k Key) laggingAt(o Owner) string {
	where := o.lagging(k)
	switch {
	case len(where) == 0:
		return ""
	case len(o.Servers) == 0:
		return o.Name
	}
	return o.Name + " at " + strings.Join(where, ", ")
}

// served reports whether the records of every server name a key, whatever the resolver
// has in its cache. Only where the records of no server are known does the resolver decide.
func (o Owner) served(named func([]certs.TLSA) bool) bool {
	known := o.answering()
	return !slices.ContainsFunc(known, func(s Server) bool { return !named(s.Records) }) && (len(known) > 0 || named(o.Records))
}

// answering returns the servers whose records are known.
func (o Owner) answering() []Server {
	return slices.DeleteFunc(slices.Clone(o.Servers), func(s Server) bool { return s.Unknown != "" })
}

// silent returns the servers whose records are not known.
func (o Owner) silent() (out []string) {
	for _, s := range o.Servers {
		if s.Unknown != "" {
			out = append(out, s.Name)
		}
	}
	return out
}

// hold returns how long after a change the previous answer may still be given.
func (o Owner) hold() time.Duration { return max(2*o.TTL, o.Refresh+o.TTL) }

// newTTL returns the TTL of records that are added: all records of a name and type have
// the same (RFC 2181, section 5.2), and a shorter one would hide how long previous
// answers are kept.
func (o Owner) newTTL() int {
	if o.published() && o.TTL > 0 {
		return int(o.TTL / time.Second)
	}
	return newTTL
}
