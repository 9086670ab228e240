package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"postseal/internal/probe"
)

var rcv041 = Rule{
	ID: "PS-RCV-041", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "a certificate that is chosen by name (SNI) is for another host",
	Why:    "Senders that check names (MTA-STS, secure) name the host they want: they hold mail back.",
	Level:  Should,
	Source: "RFC 8461 section 4.2; RFC 6066 section 3",
	Cure:   outside("correct the entry in tls_server_sni_maps, and postmap -F it"),
	Check: live(func(_ *Evidence, l Live) string {
		if l.Seen == nil {
			return ""
		}
		for _, n := range l.Named {
			if !n.Ours || len(n.Certs) == 0 || slices.ContainsFunc(n.Certs[0].DNSNames, func(have string) bool { return covers(have, n.Name) }) {
				continue
			}
			sum := sha256.Sum256(n.Certs[0].Raw)
			if !slices.ContainsFunc(l.Seen.Certificates, func(c probe.Leaf) bool { return c.Fingerprint == hex.EncodeToString(sum[:]) }) {
				return "shows one that is not for " + n.Name + " to who asks for that name" // the usual one is judged by its file
			}
		}
		return ""
	}),
}
