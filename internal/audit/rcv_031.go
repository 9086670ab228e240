package audit

import "strings"

var rcv031 = Rule{
	ID: "PS-RCV-031", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "no key exchange with forward secrecy",
	Why:    "Whoever gets the key later can read all mail that was recorded before.",
	Level:  Must,
	Source: "RFC 9325 section 4.1",
	Cure:   outside("take tls_eecdh_auto_curves and the lists of suites out of main.cf"),
	Check: live(func(e *Evidence, l Live) string {
		if !l.whole() || len(l.Seen.Versions) == 0 {
			return ""
		}
		for version, s := range l.suites {
			if version == "TLS 1.3" || strings.Contains(s.Name, "DHE_") || s.Anonymous() {
				return ""
			}
		}
		return "has key exchange by RSA alone"
	}),
}
