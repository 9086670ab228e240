package audit

import (
	"strings"

	"postseal/internal/detect"
	"postseal/internal/postfix"
)

var rcv003 = Rule{
	ID: "PS-RCV-003", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "TLS 1.0 or 1.1 is taken",
	Why:    "These versions can be broken; who has newer ones uses those, but testers fail the server for it.",
	Level:  Should,
	Source: "RFC 8996: MUST NOT be negotiated; RFC 9325 section 5.2 exempts opportunistic use",
	Cure:   "--min-protocol TLSv1.2",
	Check: listeners(func(e *Evidence, l detect.Listener) string {
		if seen := e.seen(l); seen != nil {
			var old []string
			for _, v := range []string{"TLS 1.0", "TLS 1.1"} {
				if takes(*seen, v) {
					old = append(old, v)
				}
			}
			if len(old) > 0 {
				return "takes " + strings.Join(old, " and ")
			}
			if seen.whole() {
				return ""
			}
		}
		if p := floor(e, l); tls(l) && p != "" && p.Below(postfix.TLSv12) {
			return "takes " + string(p) + " and newer"
		}
		return ""
	}, detect.Relay),
}
