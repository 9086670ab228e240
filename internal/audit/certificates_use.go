package audit

import (
	"slices"
	"strings"

	"postseal/certs"
	"postseal/internal/detect"
)

// certificatesUseRules are the rules about what a certificate is valid for.
var certificatesUseRules = []Rule{
	otherNames, notForServers, sample, mustStaple, onlyECDSA,
}

var otherNames = Rule{
	ID: "PS-CRT-005", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "A CA certificate does not cover the names of this server",
	Why:    "Senders that verify names (MTA-STS, level secure) do not deliver.",
	Level:  Should,
	Source: "RFC 8461 section 4.2; RFC 9525",
	Cure:   order("postseal cert obtain, which proposes all of them"),
	Check: when(func(e *Evidence) bool { return slices.ContainsFunc(e.ShownCertificates(), vouched) }, served(func(e *Evidence, c detect.Certificate) string {
		if !vouched(c) {
			return ""
		}
		var missing []string
		for _, n := range e.NamesFor(c) {
			if !slices.ContainsFunc(c.Names, func(have string) bool { return covers(have, n) }) {
				missing = append(missing, n)
			}
		}
		if len(missing) > 0 {
			return "is not for " + strings.Join(missing, ", ")
		}
		return ""
	}).Find),
}

// vouched reports whether a CA has issued a certificate: without one, no client that
// verifies names trusts it.
func vouched(c detect.Certificate) bool {
	return c.Err == nil && c.Algorithm != "" && !c.SelfSigned
}

var notForServers = Rule{
	ID: "PS-CRT-011", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "The certificate is not valid for server use",
	Why:    "Verifying senders refuse it.",
	Level:  Must,
	Source: "RFC 5280 section 4.2.1.12: serverAuth",
	Cure:   order("postseal cert obtain"),
	Check: served(func(e *Evidence, c detect.Certificate) string {
		if c.Err == nil && c.Algorithm != "" && !c.ServerUse {
			return "is not valid as a server certificate"
		}
		return ""
	}),
}

var sample = Rule{
	ID: "PS-CRT-012", Part: Certificates, Severity: Note, Since: "1.0",
	Title:  "The certificate is the distribution's sample",
	Why:    "It does not identify this server, and other servers have one like it.",
	Level:  May,
	Source: "Debian, ssl-cert",
	Cure:   order("postseal cert obtain"),
	Check: served(func(e *Evidence, c detect.Certificate) string {
		if e.Sample != "" && c.Fingerprint == e.Sample {
			return "is the snakeoil certificate" // or a copy of it
		}
		return ""
	}),
}

var mustStaple = Rule{
	ID: "PS-CRT-016", Part: Certificates, Severity: Medium, Since: "1.0",
	Title:  "The certificate requires OCSP stapling, which Postfix does not support",
	Why:    "Peers that insist on must-staple refuse the certificate.",
	Level:  Should,
	Source: "RFC 7633",
	Cure:   order("postseal cert obtain, which does not request must-staple"),
	Check:  inspected("must-staple", certs.Bad),
}

var onlyECDSA = Rule{
	ID: "PS-RCV-011", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "Only an ECDSA certificate is presented",
	Why:    "Some old senders support only RSA: they fall back to cleartext or fail.",
	Level:  May,
	Source: "Postfix TLS_README, server-side certificates",
	Cure:   order("postseal cert obtain --key-type P256,RSA2048"),
	Check: when(receives, func(e *Evidence) []Hit {
		kinds := map[string]bool{}
		for _, c := range e.ServerCertificates() {
			if c.Err == nil && c.Algorithm != "" {
				kinds[c.Algorithm] = true
			}
		}
		if e.Role != detect.Sender && kinds["ECDSA"] && !kinds["RSA"] {
			return []Hit{{Detail: "there is no RSA certificate beside it"}}
		}
		return nil
	}),
}
