package audit

import (
	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/posture"
)

var cfg041 = Rule{
	ID: "PS-CFG-041", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "mail can be smuggled past smtpd_proxy_filter",
	Why:    "A fault of this release lets a sender hide a second message in one that the filter sees, unless the distribution has fixed it under this number. From Postfix 3.11.0 on, requiretls_esmtp_header = yes, its default, opens a second way.",
	Level:  Must,
	Source: "announcement of Postfix 3.11.7, 2026-09-08",
	Cure:   outside("update to Postfix 3.11.7, 3.10.14 or 3.9.15, or later"),
	Check: listeners(byService, func(e *Evidence, l posture.Listener) string {
		filter := e.Config.Text(&l.Service, "smtpd_proxy_filter")
		if filter == "" || !smuggles(e.Config.Version) {
			return ""
		}
		return "has smtpd_proxy_filter = " + filter + ", and this is Postfix " + e.Config.Version.String()
	}, detect.Relay, detect.Submission, detect.Submissions),
}

// smuggles reports whether a release has the fault: those since 3.9.0 do, up to a
// release of each branch.
func smuggles(v postfix.Version) bool {
	if !v.Known() || !v.AtLeast(postfix.V(3, 9, 0)) || v.AtLeast(postfix.V(3, 12, 0)) {
		return false
	}
	return !v.AtLeast(map[int]postfix.Version{9: postfix.V(3, 9, 15), 10: postfix.V(3, 10, 14), 11: postfix.V(3, 11, 7)}[v.Minor])
}
