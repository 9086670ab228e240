// Package policy decides how mail to each destination domain must be protected, and
// keeps the map that tells Postfix (smtp_tls_policy_maps).
//
// It gathers evidence (DNS, MTA-STS, handshakes), derives from it the strongest level
// that mail survives, and changes a level by a written rule:
//
//   - A new level is a proposal. It enforces nothing until deliveries, or handshakes in
//     their place, have met it often enough and for long enough.
//   - What a domain promises in a way that an attacker cannot forge (TLSA records by
//     DNSSEC, an MTA-STS policy by HTTPS) holds until the domain withdraws it in the same
//     way, or until the max_age of the MTA-STS policy has passed. Lookups that fail, a
//     policy that cannot be fetched and servers that do not keep the promise withdraw
//     nothing: that is what an attack looks like.
//   - What was only seen (valid certificates, or TLS every time) was promised by nobody.
//     It is given up once no server has met it for as long as Rule.Patience says, which
//     is well before Postfix returns mail.
//   - What this server cannot enforce any more is given up at once: without DNSSEC
//     validation or CA certificates of its own, all mail would wait.
//   - Each change has a named reason.
package policy

import (
	"slices"
	"strings"
	"time"

	"postseal/certs"
	"postseal/internal/dane"
	"postseal/internal/domain"
	"postseal/internal/resolve"
)

// Destination is a domain that mail is sent to.
type Destination struct {
	Name     string    `json:"name"`
	Messages int       `json:"messages"`
	Last     time.Time `json:"last"`
}

// Domain is what is known of a destination domain.
type Domain struct {
	Name     string `json:"name"`
	Messages int    `json:"messages,omitempty"`
	// Seen is when mail was last sent there, as far as is known.
	Seen time.Time `json:"seen,omitzero"`
	// First and Last are when its mail servers were first and last looked up with
	// success, Tried is the last attempt, and Next when to look again.
	First time.Time `json:"first_seen,omitzero"`
	Last  time.Time `json:"last_seen,omitzero"`
	Tried time.Time `json:"tried,omitzero"`
	Next  time.Time `json:"next_check,omitzero"`
	// Failures counts the lookups that failed since Last; Why says how the latest did.
	Failures int    `json:"failures,omitempty"`
	Why      string `json:"why,omitempty"`
	// Signed reports whether DNSSEC vouches for the MX records, Silent whether the domain
	// accepts no mail (RFC 7505).
	Signed bool `json:"mx_signed"`
	Silent bool `json:"null_mx,omitempty"`
	// MX are the names of its servers, the most preferred first.
	MX  []string `json:"mx"`
	STS *STS     `json:"mta_sts,omitempty"`
}

// STS is the MTA-STS policy of a domain as it was last fetched with success.
type STS struct {
	ID      string    `json:"id"`
	Mode    string    `json:"mode"`
	MX      []string  `json:"mx"`
	MaxAge  int       `json:"max_age"`
	Fetched time.Time `json:"fetched,omitzero"`
	// Problem is why the latest attempt brought no policy. The one that was fetched
	// before stays in force until it expires (RFC 8461, section 3.3).
	Problem string `json:"problem,omitempty"`
}

// Expires returns when senders no longer follow the policy unless they have fetched it
// again.
func (s *STS) Expires() time.Time { return s.Fetched.Add(time.Duration(s.MaxAge) * time.Second) }

// enforced reports whether senders must follow the policy.
func (s *STS) enforced(now time.Time) bool {
	return s != nil && s.Mode == domain.Enforce && now.Before(s.Expires())
}

// names reports whether the policy names a server.
func (s *STS) names(server string) bool {
	return s != nil && (&domain.Policy{MX: s.MX}).Names(server)
}

// Server is what is known of a mail server, whichever domains it serves.
type Server struct {
	Name string `json:"name"`
	// DANE and TLSA are what was last known; a lookup that fails changes neither.
	DANE dane.State `json:"dane"`
	TLSA []string   `json:"tlsa,omitempty"`
	Base string     `json:"tlsa_base,omitempty"`
	// Last and Next are when its records were looked up and are due. Failures counts the
	// lookups that failed since Last; Why says how the latest did.
	Last     time.Time `json:"last_seen,omitzero"`
	Next     time.Time `json:"next_check,omitzero"`
	Failures int       `json:"failures,omitempty"`
	Why      string    `json:"why,omitempty"`
	// Addresses are where it was last found.
	Addresses []string `json:"addresses,omitempty"`
	// Sessions are the latest sessions with it, oldest first. Looked and NextLook are when a
	// handshake was last tried and is due; Unreached counts the attempts in a row that did
	// not get as far as EHLO.
	Sessions  []Session `json:"sessions,omitempty"`
	Looked    time.Time `json:"looked,omitzero"`
	NextLook  time.Time `json:"next_look,omitzero"`
	Unreached int       `json:"unreached,omitempty"`
	// Certificate is what it presented last.
	Certificate *Certificate `json:"certificate,omitempty"`
}

// Certificate is a certificate that a server presented.
type Certificate struct {
	SHA256   string    `json:"sha256"`
	NotAfter time.Time `json:"not_after"`
	First    time.Time `json:"first_seen"`
	Last     time.Time `json:"last_seen"`
}

// usable reports whether a server has TLSA records with which mail servers can
// authenticate it.
func (s *Server) usable() bool {
	return s.DANE == dane.Secure && slices.ContainsFunc(dane.Parse(s.TLSA), certs.TLSA.Usable)
}

// Session is one session with a mail server, or several in a row on one day that were
// alike: then From is when the first of them was, and When the last.
type Session struct {
	From  time.Time `json:"from"`
	When  time.Time `json:"when"`
	Count int       `json:"count"`
	// TLS reports whether there was TLS, Valid whether the certificate was valid for the
	// name of the server, Matched whether the TLSA records authenticated it.
	TLS     bool `json:"tls"`
	Valid   bool `json:"valid"`
	Matched bool `json:"matched"`
	// Why says why the certificate is not valid, or why there was no TLS.
	Why string `json:"why,omitempty"`
}

// maxSessions bounds how many are kept of a server.
const maxSessions = 60

// good reports whether mail at a level would have passed.
func (x Session) good(level string) bool {
	switch level {
	case "dane-only", "dane":
		return x.Matched
	case "verify", "secure":
		return x.Valid
	case "encrypt":
		return x.TLS
	}
	return true
}

// note adds a session.
func (s *Server) note(x Session) {
	x.Count, x.From = max(1, x.Count), x.When
	if n := len(s.Sessions); n > 0 {
		last := s.Sessions[n-1]
		alike := x
		alike.From, alike.When, alike.Count = last.From, last.When, last.Count
		if alike == last && day(last.When) == day(x.When) {
			x.Count, x.From = x.Count+last.Count, last.From
			s.Sessions = s.Sessions[:n-1]
		}
	}
	s.Sessions = append(s.Sessions, x)
	s.Sessions = s.Sessions[max(0, len(s.Sessions)-maxSessions):]
}

// Evidence is all that is known of one domain: what a level is derived from.
type Evidence struct {
	Domain  Domain
	Servers []Server
}

// Name returns a domain name in the form in which it is compared, and whether it can be
// a destination: a domain, and neither an address nor a next hop with a port.
func Name(text string) (name string, ok bool) {
	name = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(text), "."))
	return name, len(name) <= 253 && resolve.IsName(name) && hostname(name)
}

// hostname reports whether a text has the form of a host name in a policy map: letters,
// digits and hyphens between dots, and not the digits of an address.
func hostname(name string) bool {
	labels := strings.Split(name, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
	}
	return strings.Trim(labels[len(labels)-1], "0123456789") != ""
}
