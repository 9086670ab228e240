package audit

import (
	"maps"
	"slices"

	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/posture"
	"postseal/internal/probe"
)

var rcv012 = Rule{
	ID: "PS-RCV-012", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "the suites for the certificate are excluded",
	Why:    "Only TLS 1.3, whose suites go with every certificate, is left: senders with TLS 1.2 fall back to clear text or fail.",
	Level:  Should,
	Source: "postconf(5), smtpd_tls_exclude_ciphers",
	Cure:   answer("profile", "intermediate"),
	Check: listeners(bySuites, func(e *Evidence, l posture.Listener) string {
		seen := e.seen(l)
		if l.TLS.Is == posture.Never || !slices.Contains(l.Permitted, postfix.TLSv12) || len(l.Serves) == 0 || seen != nil && takes(*seen, "TLS 1.2") {
			return ""
		}
		if left, known := l.Suites.Left(slices.Collect(maps.Keys(l.Serves))...); known && !slices.ContainsFunc(left, func(s probe.Suite) bool { return !s.Anonymous() }) {
			return "excludes the suites of every certificate that it shows"
		}
		return ""
	}, detect.Relay, detect.Submission, detect.Submissions),
}
