// Package hello reads the first message of a TLS handshake, the ClientHello, in which a
// client says what it supports.
//
// It knows no network and no SMTP. What it keeps of a hello never includes a session
// ticket, a session number, random bytes or a key share: only what tells one TLS library
// and its settings from another.
package hello

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"

	"postseal/internal/probe"
)

// The versions by their number on the wire (RFC 8446, section 4.1.2).
const (
	SSL20 = 0x0200
	SSL30 = 0x0300
	TLS10 = 0x0301
	TLS11 = 0x0302
	TLS12 = 0x0303
	TLS13 = 0x0304
)

// The extensions that are read (IANA, "TLS ExtensionType Values").
const (
	extServerName    = 0
	extGroups        = 10
	extSignatures    = 13
	extALPN          = 16
	extTicket        = 35
	extVersions      = 43
	extSignedBy      = 50
	extKeyShare      = 51
	extRenegotiation = 0xFF01
)

// Hello is what a client supports, as its ClientHello says it.
type Hello struct {
	// Old is true if it came in the format of SSL 2.0, which has no extensions.
	Old bool
	// Newest is the newest version that the client supports. Versions are those that it
	// lists, newest first; without a list it supports what is older too, as far as a
	// hello can tell.
	Newest   uint16
	Versions []uint16
	// Suites, Groups and Signatures are in the order of the client. Shares are the groups
	// for which it sends a key at once.
	Suites     []uint16
	Groups     []uint16
	Signatures []uint16
	Shares     []uint16
	// ServerName is the name that it asks for (SNI), and Protocols are those of ALPN.
	ServerName string
	Protocols  []string
	// Shape is the message in its canonical form: what every hello of the same client has
	// in common. Parse reads it as well.
	Shape []byte
}

// What is wrong with a hello.
var (
	ErrNotTLS   = errors.New("not a TLS handshake")
	ErrMangled  = errors.New("malformed ClientHello")
	ErrTooLarge = errors.New("ClientHello is larger than 64 KiB")
)

// Fingerprint identifies what the client supports: a digest of the shape, without the name
// that it asks for.
func (h *Hello) Fingerprint() string {
	shape := h.Shape
	if h.ServerName != "" {
		if bare, err := parseMessage(h.Shape, true); err == nil {
			shape = bare.Shape
		}
	}
	sum := sha256.Sum256(shape)
	return hex.EncodeToString(sum[:16])
}

// Supports reports whether the client supports a version, as far as the hello can tell.
func (h *Hello) Supports(version uint16) bool {
	if len(h.Versions) > 0 {
		return slices.Contains(h.Versions, version)
	}
	return version <= h.Newest
}

// VersionNames are the names of the versions, newest first. A hello without a list names
// only the newest one.
func (h *Hello) VersionNames() (out []string) {
	for _, v := range h.listed() {
		out = append(out, probe.VersionName(v))
	}
	return out
}

// listed are the versions that the hello names.
func (h *Hello) listed() []uint16 {
	if len(h.Versions) > 0 {
		return h.Versions
	}
	return []uint16{h.Newest}
}

// SuiteNames are the names of the suites that OpenSSL and Postfix use, in the order of the
// client. Signalling values are no suites.
func (h *Hello) SuiteNames() (out []string) {
	for _, id := range h.Suites {
		if id != renegotiationSCSV && id != fallbackSCSV {
			out = append(out, probe.SuiteOf(id).OpenSSL)
		}
	}
	return out
}

// The values among the suites that are signals (RFC 5746, RFC 7507).
const (
	renegotiationSCSV = 0x00FF
	fallbackSCSV      = 0x5600
)

// GroupNames are the names of the groups, in the order of the client.
func (h *Hello) GroupNames() []string { return names(h.Groups, probe.GroupName) }

// SignatureNames are the names of the signature algorithms, in the order of the client.
func (h *Hello) SignatureNames() []string { return names(h.Signatures, probe.SignatureName) }

func names(ids []uint16, name func(uint16) string) (out []string) {
	for _, id := range ids {
		out = append(out, name(id))
	}
	return out
}

// grease reports whether a value is one that clients send so that servers learn to pass
// over what they do not know (RFC 8701).
func grease(v uint16) bool { return v&0x0F0F == 0x0A0A && v>>8 == v&0xFF }
