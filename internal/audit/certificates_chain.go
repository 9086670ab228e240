package audit

import (
	"postseal/certs"
	"postseal/internal/detect"
)

// certificatesChainRules are the rules about certificate chains.
var certificatesChainRules = []Rule{
	incompleteChain, selfSigned, chainOrder, unknownIssuer,
}

var incompleteChain = Rule{
	ID: "PS-CRT-004", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "The certificate chain is incomplete",
	Why:    "Verifying senders find no path to a root and do not trust it.",
	Level:  Must,
	Source: "RFC 8446 section 4.4.2, now RFC 9846; RFC 5246 section 7.4.2",
	Cure:   outside("put the whole chain into the file (fullchain.pem)"),
	Check: served(func(e *Evidence, c detect.Certificate) string {
		if c.Err == nil && c.Algorithm != "" && !c.Complete && !c.SelfSigned && fetchable(e, c) && !sentLonger(e, c) {
			return "lacks an issuer between leaf and root"
		}
		return ""
	}),
}

// sentLonger reports whether a listener was seen to send more certificates than are
// known from files: smtpd_tls_CApath may complete a chain, too.
func sentLonger(e *Evidence, c detect.Certificate) bool {
	for _, l := range e.Live {
		if l.Seen == nil {
			continue
		}
		for _, leaf := range l.Seen.Certificates {
			if leaf.Fingerprint == c.Fingerprint && leaf.Length > c.Length {
				return true
			}
		}
	}
	return false
}

var selfSigned = Rule{
	ID: "PS-CRT-006", Part: Certificates, Severity: Medium, Since: "1.0",
	Title:  "The certificate is self-signed",
	Why:    "It is fine for most senders and for DANE; senders with MTA-STS or level secure do not deliver.",
	Level:  Should,
	Source: "RFC 8461 section 4.2",
	Cure:   order("postseal cert obtain"),
	Check: served(func(e *Evidence, c detect.Certificate) string {
		if c.Err == nil && c.SelfSigned {
			return "is self-signed"
		}
		return ""
	}),
}

var chainOrder = Rule{
	ID: "PS-CRT-018", Part: Certificates, Severity: Low, Since: "1.0",
	Title:  "The certificate chain is out of order",
	Why:    "Most clients sort it themselves; some, mostly old ones, do not and find the chain incomplete.",
	Level:  Should,
	Source: "RFC 5246 section 7.4.2; RFC 8446 section 4.4.2, now RFC 9846: SHOULD",
	Cure:   outside("put the leaf first, then each issuer"),
	Check:  inspected("order", certs.Note),
}

var unknownIssuer = Rule{
	ID: "PS-CRT-019", Part: Certificates, Severity: Low, Since: "1.0",
	Title:  "The issuer of the certificate chain is not known here",
	Why:    "If it is the root of your own CA, all is well for peers that have it. Otherwise an intermediate is missing, and verifying senders do not trust the chain.",
	Level:  Should,
	Source: "RFC 8446 section 4.4.2, now RFC 9846",
	Cure:   outside("put all issuers below the root into the file"),
	Check: served(func(e *Evidence, c detect.Certificate) string {
		if c.Err == nil && c.Algorithm != "" && !c.Complete && !c.SelfSigned && !fetchable(e, c) && !sentLonger(e, c) {
			return "ends with a certificate of an unknown CA"
		}
		return ""
	}),
}
