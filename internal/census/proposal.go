package census

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"postseal/internal/postfix"
)

// Proposal is a stricter setting. Its zero value changes nothing.
type Proposal struct {
	// Floor is the oldest protocol that listeners would accept, or empty.
	Floor postfix.Protocol
	// Suites are those that listeners would keep for TLS 1.2 and older, as OpenSSL calls
	// them; nil keeps all.
	Suites []string
	// OutboundLevel is smtp_tls_security_level, or empty.
	OutboundLevel string
}

// Certainty is how sure it is that a peer is affected.
type Certainty string

// The certainties.
const (
	// Evidence: the peer has used nothing that the proposal leaves. Both sides take the
	// newest protocol that they have in common, so an old one tells what the peer has.
	Evidence Certainty = "evidence"
	// UpperBound: the log has the suite that was chosen, and not what else there was. The
	// peer may well support a suite that is left.
	UpperBound Certainty = "upper bound"
	// Sometimes: the peer has had other sessions, too, that the proposal allows. It may be
	// several machines behind one address, or one that was updated.
	Sometimes Certainty = "sometimes"
	// Unknown: the log does not tell.
	Unknown Certainty = "unknown"
)

// Affected is a peer that a proposal would cut off from TLS, or whose mail it would put
// off.
type Affected struct {
	Direction Direction `json:"direction"`
	Service   string    `json:"service,omitempty"`
	Name      string    `json:"name"`
	MX        string    `json:"mx,omitempty"`
	Address   string    `json:"address"`
	Local     bool      `json:"local,omitempty"`
	// Messages are those that went in a way that the proposal forbids. They are not all
	// that the peer has sent.
	Messages int       `json:"messages"`
	Sessions int       `json:"sessions"`
	Last     time.Time `json:"last"`
	Why      string    `json:"why"`
	// Certainty is how sure it is.
	Certainty Certainty `json:"certainty"`
	// After is what the peer did after its last failed handshake: whether it falls back.
	After After `json:"after,omitempty"`
}

// Affected lists the peers that a proposal affects, those with most messages first. Peers
// that never delivered mail are left out: most of them are scanners.
func (c *Census) Affected(p Proposal) (out []Affected) {
	for _, peer := range c.Inbound.Peers {
		if peer.Messages > 0 {
			out = append(out, p.loses(peer)...)
		}
	}
	if p.OutboundLevel != "" {
		for _, peer := range c.Outbound.Peers {
			out = append(out, p.putsOff(peer)...)
		}
	}
	slices.SortStableFunc(out, func(a, b Affected) int {
		return cmp.Or(-strings.Compare(string(b.Direction), string(a.Direction)), b.Messages-a.Messages, b.Sessions-a.Sessions)
	})
	return out
}

func (peer Peer) affected(v Volume, why string, c Certainty) Affected {
	return Affected{
		Direction: peer.Direction, Service: peer.Service, Name: peer.Name, MX: peer.MX, Address: peer.Address, Local: peer.Local,
		Messages: v.Messages, Sessions: v.Sessions, Last: peer.Last, Why: why, Certainty: c, After: peer.After,
	}
}

// loses works out what of a client's TLS a proposal forbids: its protocol, or else its
// suite.
func (p Proposal) loses(peer Peer) (out []Affected) {
	var old, suite, fine Volume
	unknown := peer.Unknown
	var why []string
	add := func(v *Volume, u Use) { v.Sessions, v.Messages = v.Sessions+u.Sessions, v.Messages+u.Messages }
	note := func(s string) {
		if !slices.Contains(why, s) {
			why = append(why, s)
		}
	}
	for _, u := range peer.TLS {
		protocol := postfix.Protocol(u.Protocol)
		switch {
		case !slices.Contains(postfix.Protocols, protocol):
			add(&unknown, u)
		case p.Floor != "" && protocol.Below(p.Floor):
			add(&old, u)
			note(u.Protocol)
		case p.Suites != nil && protocol.Below(postfix.TLSv13) && !slices.Contains(p.Suites, u.Cipher):
			add(&suite, u)
			note(u.Cipher)
		default:
			add(&fine, u)
		}
	}
	if all := (Volume{old.Sessions + suite.Sessions, old.Messages + suite.Messages}); all.Sessions > 0 {
		certainty := Evidence
		switch {
		case fine.Sessions > 0:
			certainty = Sometimes
		case suite.Sessions > 0:
			certainty = UpperBound
		}
		out = append(out, peer.affected(all, strings.Join(why, ", "), certainty))
	}
	if unknown.Sessions > 0 && (p.Floor != "" || p.Suites != nil) {
		out = append(out, peer.affected(unknown, "the log does not tell which TLS it used", Unknown))
	}
	return out
}

// putsOff works out what of the mail to a destination a level of smtp_tls_security_level
// would put off.
func (p Proposal) putsOff(peer Peer) (out []Affected) {
	verified := false
	switch p.OutboundLevel {
	case "none", "may", "dane": // dane falls back to may where there are no TLSA records
		return nil
	case "encrypt":
	default:
		verified = true
	}
	if peer.Unknown.Messages > 0 {
		out = append(out, peer.affected(peer.Unknown, "the log does not tell whether it went in TLS", Unknown))
	}
	used := 0
	var doubtful Volume
	for _, u := range peer.TLS {
		used += u.Sessions + u.Messages
		if verified && u.Trust != "Verified" {
			doubtful.Sessions, doubtful.Messages = doubtful.Sessions+u.Sessions, doubtful.Messages+u.Messages
		}
	}
	if cleartext := (Volume{peer.CleartextSessions.N, peer.CleartextMessages.N}); cleartext.Messages > 0 {
		certainty := Evidence
		if used > 0 {
			certainty = Sometimes
		}
		out = append(out, peer.affected(cleartext, "cleartext", certainty))
	}
	// Trusted and Untrusted say nothing of the name, which Postfix did not compare.
	if doubtful.Messages > 0 {
		out = append(out, peer.affected(doubtful, "TLS without a verified certificate", UpperBound))
	}
	return out
}

// Destination is a domain to which mail was sent, by all of its servers.
type Destination struct {
	Name              string    `json:"name"`
	Messages          int       `json:"messages"`
	CleartextMessages Count     `json:"cleartext_messages"`
	Unknown           int       `json:"unknown"` // messages in TLS or in cleartext
	MX                []string  `json:"mx"`
	Deferred          int       `json:"deferred"` // for TLS
	Local             bool      `json:"local,omitempty"`
	Last              time.Time `json:"last"`
}

// Destinations lists the domains to which mail was sent, those with most messages first.
// A domain is local if all of its mail goes to this machine, such as to a content filter.
func (c *Census) Destinations() []Destination {
	byName := map[string]*Destination{}
	for _, p := range c.Outbound.Peers {
		d := byName[p.Name]
		if d == nil {
			d = &Destination{Name: p.Name, CleartextMessages: Count{Known: true}, MX: []string{}, Local: true}
			byName[p.Name] = d
		}
		d.Messages += p.Messages
		d.CleartextMessages.N += p.CleartextMessages.N
		d.CleartextMessages.Known = d.CleartextMessages.Known && (p.CleartextMessages.Known || p.Unknown.Messages > 0)
		d.Unknown += p.Unknown.Messages
		d.Local = d.Local && p.Local
		if p.MX != "" && !slices.Contains(d.MX, p.MX) {
			d.MX = append(d.MX, p.MX)
		}
		for _, cause := range p.Deferred {
			d.Deferred += cause.Count
		}
		if p.Last.After(d.Last) {
			d.Last = p.Last
		}
	}
	out := make([]Destination, 0, len(byName))
	for _, d := range byName {
		slices.Sort(d.MX)
		d.CleartextMessages.doubt(d.Unknown)
		out = append(out, *d)
	}
	slices.SortFunc(out, func(a, b Destination) int {
		return cmp.Or(b.Messages-a.Messages, strings.Compare(a.Name, b.Name))
	})
	return out
}
