package hello

import (
	"cmp"
	"slices"
	"strings"

	"postseal/internal/probe"
)

// Server is what a server would accept.
type Server struct {
	Versions []uint16
	// Suites are those of TLS 1.2 and older. Those of TLS 1.3 are all accepted.
	Suites []uint16
	// Groups are those of key exchanges; nil if they are not known.
	Groups []uint16
	// Keys are the kinds of its certificates, such as "RSA"; nil if they are not known.
	Keys []string
}

// Meeting is what a client and a server would agree on, as far as a hello can tell.
type Meeting struct {
	Version uint16
	Suite   uint16
	Group   uint16
	// Lacks is what they do not have in common: "version", "suite", "group" or
	// "signature"; empty if nothing is missing.
	Lacks string
}

// Meet works out what the client would agree on with a server. A server chooses the newest
// version that both have, and does not fall back to an older one.
func (h *Hello) Meet(s Server) Meeting {
	v := slices.MaxFunc(append(slices.Clone(s.Versions), 0), func(a, b uint16) int { return cmp.Compare(h.usable(a), h.usable(b)) })
	m := Meeting{Version: v}
	switch {
	case h.usable(v) == 0:
		return Meeting{Lacks: "version"}
	case v == TLS13:
		h.meetNew(s, &m)
	default:
		h.meetOld(s, &m)
	}
	return m
}

// usable is the version, or 0 if the client does not support it.
func (h *Hello) usable(version uint16) uint16 {
	if version == 0 || !h.Supports(version) {
		return 0
	}
	return version
}

// meetNew is about TLS 1.3, in which suite, group and signature are agreed apart.
func (h *Hello) meetNew(s Server, m *Meeting) {
	m.Suite = h.suite(func(id uint16) bool { return id>>8 == 0x13 })
	m.Group = h.common(s.Groups)
	switch {
	case m.Suite == 0:
		m.Lacks = "suite"
	case m.Group == 0:
		m.Lacks = "group"
	case s.Keys != nil && !slices.ContainsFunc(s.Keys, h.signsNew):
		m.Lacks = "signature"
	}
}

// meetOld is about TLS 1.2 and older, in which a suite says how keys are exchanged and with
// which certificate. A client that names no groups takes any.
func (h *Hello) meetOld(s Server, m *Meeting) {
	var curves []uint16
	for _, g := range s.Groups {
		if g < 0x0100 { // the others are of TLS 1.3 alone
			curves = append(curves, g)
		}
	}
	m.Group = h.common(curves)
	elliptic := len(h.Groups) == 0 || m.Group != 0
	lacks := "suite"
	m.Suite = h.suite(func(id uint16) bool {
		suite := probe.SuiteOf(id)
		switch {
		case !slices.Contains(s.Suites, id), m.Version < TLS12 && !suite.In("SHA1"):
			return false
		case suite.In("kECDHE") && !elliptic:
			lacks = "group"
			return false
		case s.Keys == nil || suite.Anonymous():
			return true
		case !slices.ContainsFunc(s.Keys, func(key string) bool { return serves(suite, key) }):
			return false
		case m.Version == TLS12 && !suite.In("kRSA") && !slices.ContainsFunc(s.Keys, func(key string) bool { return serves(suite, key) && h.signsOld(key) }):
			lacks = "signature"
			return false
		}
		return true
	})
	if m.Suite == 0 {
		m.Lacks = lacks
	}
	if m.Suite == 0 || !probe.SuiteOf(m.Suite).In("kECDHE") {
		m.Group = 0
	}
}

// serves reports whether a suite goes with a certificate that has a kind of key. Ed25519
// has the suites of ECDSA (RFC 8422, section 5.10).
func serves(s probe.Suite, key string) bool {
	if key == "Ed25519" {
		key = "ECDSA"
	}
	return s.In("a" + key)
}

// suite is the first suite of the client that is wanted, or 0.
func (h *Hello) suite(wanted func(uint16) bool) uint16 {
	if i := slices.IndexFunc(h.Suites, wanted); i >= 0 {
		return h.Suites[i]
	}
	return 0
}

// common is the first group of the client that a server has too, or 0.
func (h *Hello) common(groups []uint16) uint16 {
	for _, g := range h.Groups {
		if groups == nil || slices.Contains(groups, g) {
			return g
		}
	}
	return 0
}

// signsOld reports whether the client accepts a signature in TLS 1.2 by a kind of key. One
// that names none takes SHA-1 (RFC 5246, section 7.4.1.4.1).
func (h *Hello) signsOld(key string) bool {
	return len(h.Signatures) == 0 || slices.ContainsFunc(h.Signatures, func(id uint16) bool { return signs(id, key) })
}

// signsNew is signsOld for TLS 1.3, which has no signatures with PKCS #1 or SHA-1.
func (h *Hello) signsNew(key string) bool {
	return slices.ContainsFunc(h.Signatures, func(id uint16) bool {
		return signs(id, key) && id>>8 != 2 && id>>8 != 3 && !strings.Contains(probe.SignatureName(id), "pkcs1")
	})
}

func signs(id uint16, key string) bool {
	if key == "Ed25519" {
		return id == 0x0807
	}
	return probe.SignatureKey(id) == key
}
