package audit

import "postseal/internal/detect"

var crt004 = Rule{
	ID: "PS-CRT-004", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "the chain is incomplete",
	Why:    "Who checks it does not find the way to the root, and does not trust it.",
	Level:  Must,
	Source: "RFC 8446 section 4.4.2, now RFC 9846; RFC 5246 section 7.4.2",
	Cure:   outside("put the whole chain into the file: fullchain.pem"),
	Check: served(func(f *Evidence, c detect.Certificate) string {
		if c.Err == nil && c.Algorithm != "" && !c.Complete && !c.SelfSigned && fetchable(f, c) && !sentLonger(f, c) {
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
