package audit

import (
	"fmt"
	"maps"
	"slices"

	"postseal/certs"
)

var pub031 = Rule{
	ID: "PS-PUB-031", Part: Publishing, Severity: Medium, Since: "1.0",
	Title:  "no TLSA record can be used for mail",
	Why:    "Senders with DANE require TLS because of such records, and do not authenticate the server: an attacker on the network path can play it.",
	Level:  Should,
	Source: "RFC 7672 sections 2.2 and 3.1.3; seen on Postfix 3.7",
	Cure:   outside("postseal publish"),
	Check: when(func(e *Evidence) bool { return len(e.TLSA) > 0 }, func(e *Evidence) (out []Hit) {
		for _, name := range slices.Sorted(maps.Keys(e.TLSA)) {
			if records := e.TLSA[name]; len(records) > 0 && !usable(records) {
				out = append(out, Hit{Detail: fmt.Sprintf("%s has %q; mail needs usage 3 or 2", name, records[0])})
			}
		}
		return out
	}),
}

// usable reports whether senders can authenticate a server by one of its records.
// Without one they require TLS, and take any certificate (RFC 7672, section 2.2).
func usable(records []certs.TLSA) bool { return slices.ContainsFunc(records, certs.TLSA.Usable) }
