package census

import (
	"bytes"
	"regexp"
)

// TLS is what a handshake came to.
type TLS struct {
	Protocol string `json:"protocol"`
	Cipher   string `json:"cipher"`
	// Group is the key exchange of TLS 1.3, or empty.
	Group string `json:"group,omitempty"`
	// Trust is Anonymous, Untrusted, Trusted or Verified: see tls_log_summary in
	// Postfix's source.
	Trust string `json:"trust,omitempty"`
}

// Protocols that are none of a handshake.
const (
	// Unlogged is TLS of which the log tells nothing else (smtpd_tls_loglevel 0).
	Unlogged = "not logged"
	// untold is mail of which the log does not even tell whether it went in TLS.
	untold = "unknown"
	// other stands for all combinations beyond maxKinds.
	other = "other"
)

// The first numbers of kinds.
const (
	cleartext kind = iota // no TLS
	unlogged              // TLS without a summary line
	beyond                // more kinds than are kept
	silent                // with TLS or without: no handshake had been logged yet
	firstKind
)

// kind is the number of a combination in a tally.
type kind uint16

// maxKinds bounds the combinations. Real servers see some hundred.
const maxKinds = 8192

// summary is what follows the peer (tls_misc.c, tls_log_summary).
var summary = regexp.MustCompile(`^(Anonymous|Untrusted|Trusted|Verified) ((?:TLS|SSL)v[0-9.]{1,4}) with cipher ([A-Za-z0-9_-]{1,80}) \(\d{1,4}/\d{1,4} bits\)` +
	`(?: key-exchange ([A-Za-z0-9_-]{1,60})(?: \(([A-Za-z0-9 _-]{1,60})\))?)?` +
	`(?: server-signature [A-Za-z0-9_-]{1,40}(?: \([A-Za-z0-9 _-]{1,40}\))?(?: server-digest [A-Za-z0-9_-]{1,40})?)?` +
	`(?: client-signature [A-Za-z0-9_-]{1,40}(?: \([A-Za-z0-9 _-]{1,40}\))?(?: client-digest [A-Za-z0-9_-]{1,40})?)?$`)

// kinds numbers combinations by the text that describes them.
type kinds struct {
	numbers map[string]kind
	list    []TLS
	same    map[TLS]kind
	recent  [64]struct {
		trust, text []byte
		kind        kind
	}
	scratch []byte
}

func newKinds() kinds {
	k := kinds{numbers: map[string]kind{}, same: map[TLS]kind{}}
	k.list = []TLS{{}, {Protocol: Unlogged}, {Protocol: other}, {Protocol: untold}}
	return k
}

// of returns the number of a trust label with the text behind the peer. It reports false
// if that is no summary of Postfix's.
func (k *kinds) of(trust, text []byte) (kind, bool) {
	// Most combinations differ in their lengths.
	r := &k.recent[(len(text)+len(trust)<<3)%len(k.recent)]
	if len(text) > 0 && bytes.Equal(r.text, text) && bytes.Equal(r.trust, trust) {
		return r.kind, true
	}
	k.scratch = append(append(append(k.scratch[:0], trust...), ' '), text...)
	n, known := k.numbers[string(k.scratch)]
	if !known {
		m := summary.FindSubmatch(k.scratch)
		if m == nil {
			return 0, false
		}
		group := string(m[4])
		if len(m[5]) > 0 { // "ECDHE (P-256)", and "DHE (2048 bits)"
			group += " (" + string(m[5]) + ")"
		}
		n = k.number(TLS{Protocol: string(m[2]), Cipher: string(m[3]), Group: group, Trust: string(m[1])})
		if len(k.numbers) < maxKinds {
			k.numbers[string(k.scratch)] = n
		}
	}
	r.trust, r.text, r.kind = append(r.trust[:0], trust...), append(r.text[:0], text...), n
	return n, true
}

// number returns the number of a combination.
func (k *kinds) number(t TLS) kind {
	switch t.Protocol {
	case "":
		return cleartext
	case Unlogged:
		return unlogged
	case other:
		return beyond
	case untold:
		return silent
	}
	n, known := k.same[t]
	switch {
	case known:
	case len(k.list) >= maxKinds:
		return beyond
	default:
		n = kind(len(k.list))
		k.list, k.same[t] = append(k.list, t), n
	}
	return n
}
