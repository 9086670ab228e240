// Package senders works out what well-known senders would agree on with a mail
// server, from what they offer and from what the server was seen to take.
//
// What they offer is data with a date and sources. Nothing is asked of anybody:
// it is a pure function of an enumeration.
package senders

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"

	"postseal/internal/probe"
)

// Sender is what a program that sends mail offers in its ClientHello.
type Sender struct {
	// Name is the program or its library, StandsFor who has it.
	Name      string `json:"name"`
	StandsFor string `json:"stands_for,omitempty"`
	// Source is where the parameters are from.
	Source string `json:"source"`
	// Oldest and Newest are the versions of TLS that it takes.
	Oldest string `json:"oldest"`
	Newest string `json:"newest"`
	// Suites are their numbers in its order, such as "0xC02F"; Groups those of
	// its key exchanges, and Shares those for which it sends a key at once.
	Suites []string `json:"suites"`
	Groups []string `json:"groups"`
	Shares []string `json:"shares"`
	// LongestPrime is how many bits of a prime it can reckon with; 0: any.
	LongestPrime int `json:"longest_prime,omitempty"`
	// RefusesSHA1 says that it verifies no handshake signature with SHA-1. Those of TLS 1.0
	// and 1.1 are such, so it has static RSA alone there.
	RefusesSHA1 bool `json:"refuses_sha1,omitempty"`
}

//go:embed senders.json
var embedded []byte

type known struct {
	Date    string   `json:"date"`
	LeftOut string   `json:"left_out"`
	Senders []Sender `json:"senders"`
}

// data is read when it is first needed: most runs do not.
var data = sync.OnceValue(func() (k known) {
	if err := json.Unmarshal(embedded, &k); err != nil {
		panic(err) // the test reads it first
	}
	return k
})

// All are the senders that are known.
func All() []Sender { return data().Senders }

// Date is the day of what is known, and LeftOut who is missing, and why.
func Date() string    { return data().Date }
func LeftOut() string { return data().LeftOut }

// Outcome is what a sender and a server agree on.
type Outcome struct {
	Sender  string `json:"sender"`
	Version string `json:"version,omitempty"`
	Suite   string `json:"suite,omitempty"` // as OpenSSL calls it
	Group   string `json:"group,omitempty"`
	DHBits  int    `json:"dh_bits,omitempty"`
	// Fails says why no handshake comes about, or is empty. The sender delivers
	// in clear text then, or not at all.
	Fails string `json:"fails,omitempty"`
}

// versions are all, oldest first.
var versions = []string{"SSL 3.0", "TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"}

// Meet works out what one sender agrees on with a server.
func (s Sender) Meet(e *probe.Enumeration) Outcome {
	out := Outcome{Sender: s.Name}
	v := s.version(e)
	if v == nil {
		out.Fails = "no version in common: it has " + s.Oldest + " to " + s.Newest
		return out
	}
	out.Version = v.Name
	groups := e.Curves
	if v.Name == "TLS 1.3" {
		groups = e.Groups
	}
	// The prober asks a server without TLS 1.2 for no curves. It has those of the sender,
	// as far as is known.
	unasked := len(groups) == 0 && v.Name < "TLS 1.2" && slices.ContainsFunc(v.Suites, elliptic)
	if unasked {
		groups = s.Groups
	}
	group := s.group(v, groups)
	a, ok := s.suite(v, e, group)
	switch {
	case v.Name == "TLS 1.3" && group == "":
		out.Fails = "no group in common"
	case !ok:
		out.Fails = "no suite in common with " + v.Name
	case s.LongestPrime > 0 && a.DHBits > s.LongestPrime:
		out.Fails = "it cannot reckon with a prime of " + strconv.Itoa(a.DHBits) + " bits"
	case s.RefusesSHA1 && v.Name < "TLS 1.2" && strings.Contains(a.Name, "DHE_"):
		out.Fails = "it refuses the SHA-1 signature in the key exchange of " + v.Name
	default:
		out.Suite, out.DHBits = a.OpenSSL, a.DHBits
		if (v.Name == "TLS 1.3" || elliptic(a)) && !unasked {
			out.Group = group
		}
	}
	return out
}

// version is the newest that both have: a server does not go back if no suite
// of it is shared.
func (s Sender) version(e *probe.Enumeration) *probe.Version {
	for i := slices.Index(versions, s.Newest); i >= slices.Index(versions, s.Oldest) && i >= 0; i-- {
		for j, v := range e.Versions {
			if v.Name == versions[i] {
				return &e.Versions[j]
			}
		}
	}
	return nil
}

// group is the one that is used: with TLS 1.3 that of a key that is already
// there, if the server has it, else the first one that both have, in the order
// of the sender or, with TLS 1.2 and a server that chooses, in the server's.
func (s Sender) group(v *probe.Version, server []string) string {
	offered := s.Groups
	switch {
	case v.Name == "TLS 1.3":
		offered = slices.Concat(s.Shares, s.Groups)
	case v.Chooses == "server":
		offered, server = server, offered
	}
	for _, g := range offered {
		if slices.ContainsFunc(server, func(have string) bool { return strings.EqualFold(have, g) }) {
			return g
		}
	}
	return ""
}

// suite is the one that is chosen: by the server's order, or by the sender's.
func (s Sender) suite(v *probe.Version, e *probe.Enumeration, group string) (probe.Accepted, bool) {
	offered := func(a probe.Accepted) bool {
		if v.Name != "TLS 1.3" && elliptic(a) && group == "" {
			return false // without a group such a suite is passed over
		}
		return s.signs(a, e) && slices.Contains(s.Suites, number(a.ID))
	}
	var shared []probe.Accepted
	for _, a := range v.Suites {
		if offered(a) {
			shared = append(shared, a)
		}
	}
	if len(shared) == 0 {
		return probe.Accepted{}, false
	}
	if v.Chooses != "server" {
		slices.SortStableFunc(shared, func(a, b probe.Accepted) int {
			return slices.Index(s.Suites, number(a.ID)) - slices.Index(s.Suites, number(b.ID))
		})
	}
	return shared[0], true
}

// curves of keys, by their size.
var curves = map[int]string{256: "secp256r1", 384: "secp384r1", 521: "secp521r1"}

// signs reports whether the sender can check the signature of a suite: of an ECDSA
// key it must know the curve (RFC 8422, section 5.1).
func (s Sender) signs(a probe.Accepted, e *probe.Enumeration) bool {
	if !strings.Contains(a.Name, "_ECDSA_") || len(s.Groups) == 0 {
		return true
	}
	return slices.ContainsFunc(e.Certificates, func(c probe.Leaf) bool {
		return c.Algorithm == "ECDSA" && slices.Contains(s.Groups, curves[c.Bits])
	})
}

func elliptic(a probe.Accepted) bool { return strings.Contains(a.Name, "_ECDH") }

// number is how the data writes a suite.
func number(id uint16) string {
	const digits = "0123456789ABCDEF"
	return "0x" + string([]byte{digits[id>>12], digits[id>>8&15], digits[id>>4&15], digits[id&15]})
}
