package audit

import (
	"slices"

	"postseal/internal/detect"
	"postseal/internal/postfix"
)

var rcv012 = Rule{
	ID: "PS-RCV-012", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "the suites for the certificate are excluded",
	Why:    "Only TLS 1.3, whose suites go with every certificate, is left: senders with TLS 1.2 fall back to clear text or fail.",
	Level:  Should,
	Source: "postconf(5), smtpd_tls_exclude_ciphers",
	Cure:   "--profile intermediate",
	Check: listeners(func(e *Evidence, l detect.Listener) string {
		all := e.certificatesOf(l)
		if seen := e.seen(l); !tls(l) || floor(e, l) == postfix.TLSv13 || len(all) == 0 || seen != nil && takes(*seen, "TLS 1.2") {
			return ""
		}
		for _, c := range all {
			if !slices.ContainsFunc(authentication[c.Algorithm], func(name string) bool { return excludes(e, l, name) }) {
				return ""
			}
		}
		return "excludes the suites of every certificate that it shows"
	}, detect.Relay, detect.Submission, detect.Submissions),
}

// authentication are the names under which OpenSSL has all suites of TLS 1.2 for a kind
// of key (ciphers(1)). RSA is none: it means the key exchange kRSA.
var authentication = map[string][]string{"RSA": {"aRSA"}, "ECDSA": {"aECDSA", "ECDSA"}}
