package audit

import (
	"fmt"
	"slices"
)

var rcv027 = Rule{
	ID: "PS-RCV-027", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "broken suites are taken",
	Why:    "NULL, EXPORT, RC4, DES and 3DES can be read by who wants to; a sender that has nothing else is better off with them than in clear text, all others are at risk.",
	Level:  Must,
	Source: "RFC 9325 section 4.1; RFC 7465",
	Cure:   answer("profile", "intermediate"),
	Check: live(func(e *Evidence, l Live) string {
		var names []string
		for _, s := range l.suites {
			if broken(s.Suite) && !slices.Contains(names, s.OpenSSL) {
				names = append(names, s.OpenSSL)
			}
		}
		if len(names) == 0 {
			return ""
		}
		return fmt.Sprintf("takes %s", few(names))
	}),
}
