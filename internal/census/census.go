// Package census counts what Postfix's log says of TLS, for each client and each
// destination: which versions and suites were used, which mail went in cleartext, which
// handshakes failed, and what became of their mail.
//
// A log is testimony (package maillog). A census informs a decision and never makes one.
// Only lines whose tag names Postfix count, and of a line only the parts that Postfix
// itself has worded: a name that a client gives, a recipient's address or a server's
// answer cannot pass for another field.
package census

import (
	"encoding/json"
	"time"
)

// Direction tells the two sides of a mail server apart.
type Direction string

// The directions.
const (
	Inbound  Direction = "inbound"
	Outbound Direction = "outbound"
)

// Count is a number that the log may not tell. It is null in JSON then: a zero would be a
// statement.
type Count struct {
	N     int
	Known bool
}

// MarshalJSON implements json.Marshaler.
func (c Count) MarshalJSON() ([]byte, error) {
	if !c.Known {
		return []byte("null"), nil
	}
	return json.Marshal(c.N)
}

// doubt makes a zero not known if there is mail of which the log does not tell. Any other
// number is what is certain.
func (c *Count) doubt(unknown int) { c.Known = c.Known && (c.N > 0 || unknown == 0) }

// Census is what the log says.
type Census struct {
	// First and Last are the times of the first and the last line that counted.
	First, Last time.Time
	Inbound     Traffic
	Outbound    Traffic
	// Lines is how many lines were read, Unreadable how many of Postfix's lines about
	// sessions did not have the form that they should have.
	Lines, Unreadable int
	// TooLong is how many lines were skipped since they are longer than MaxLine.
	TooLong int
	// LeftOut is how many sessions came from this machine and carried no mail: postseal's
	// own probes, and health checks.
	LeftOut int
	// Sources are the files and journals that were read, Troubles what could not be.
	Sources  []string
	Troubles []string
}

// Days is the time that the log covers, in days.
func (c *Census) Days() float64 { return c.Last.Sub(c.First).Hours() / 24 }

// Traffic is one direction.
type Traffic struct {
	// Logged: Postfix logged its handshakes (smtpd_tls_loglevel and smtp_tls_loglevel, 1 or
	// more). Without that, versions are not known, and for outgoing mail neither is
	// cleartext, unless Postfix is 3.11 or later.
	Logged bool
	// Since is the time of the first handshake that was logged.
	Since time.Time
	// Sessions and Messages are those of the peers. An incoming message is one that
	// Postfix gave a queue identifier, an outgoing one was delivered.
	Sessions, Messages int
	// Those of them that were certainly in cleartext. Unknown are those of which the log
	// does not tell whether they were: from before the first handshake that was logged.
	CleartextSessions, CleartextMessages Count
	Unknown                              Volume
	// Local is how many of the messages came from, or went to, this machine.
	LocalMessages int
	Protocols     map[string]Volume
	// Peers are sorted by messages, most first.
	Peers []Peer
	// Unnamed is what was counted beyond the first MaxPeers peers. It is in the sums.
	Unnamed Volume
}

// Volume is an amount of mail.
type Volume struct {
	Sessions int `json:"sessions"`
	Messages int `json:"messages"`
}

// Use is how often a peer used one combination.
type Use struct {
	*TLS // shared by all peers
	Volume
}

// Cause is why something failed, and how often.
type Cause struct {
	Reason string `json:"reason"`
	Count  int    `json:"count"`
}

// After is what a peer did after its last failed handshake.
type After string

// What a peer did after a failure.
const (
	NeverFailed   After = ""
	NeverReturned After = "never"
	InCleartext   After = "cleartext"
	InTLS         After = "tls"
	// Returned: its mail was delivered, and the log does not tell whether in TLS.
	Returned After = "unknown"
)

// Peer is a client, or a destination with one of its servers.
type Peer struct {
	Direction Direction `json:"direction"`
	// Service is what stands between syslog's name of Postfix and the program, such as
	// "submission"; empty for most.
	Service string `json:"service,omitempty"`
	// Name is the client's host name, or the domain of the recipients.
	Name string `json:"name"`
	// MX is the server to which the mail for the domain went.
	MX string `json:"mx,omitempty"`
	// Address is that of the client, or the first that was seen of the MX.
	Address string `json:"address"`
	// Local: the address is this machine's.
	Local bool `json:"local,omitempty"`
	Volume
	// Authenticated is how many messages were sent by a user who had logged in.
	Authenticated     int   `json:"authenticated,omitempty"`
	CleartextSessions Count `json:"cleartext_sessions"`
	CleartextMessages Count `json:"cleartext_messages"`
	// Unknown is what was in TLS or in cleartext: the log does not tell.
	Unknown Volume `json:"unknown"`
	TLS     []Use  `json:"tls,omitempty"`
	// Tried is how many sessions gave STARTTLS, Started in how many it worked.
	Tried   int `json:"starttls_tried,omitempty"`
	Started int `json:"starttls,omitempty"`
	// Failures are handshakes that failed, Deferred deliveries that Postfix put off for
	// their TLS.
	Failures []Cause `json:"failures,omitempty"`
	Deferred []Cause `json:"deferred,omitempty"`
	// After is what the peer did after the last failure.
	After After     `json:"after,omitempty"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// MaxPeers is how many peers are kept, and MaxLine how long a line may be. What is beyond
// is counted and not named.
const (
	MaxPeers = 200_000
	MaxLine  = 64 << 10
)
