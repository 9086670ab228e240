package audit

import (
	"slices"
	"strings"

	"postseal/internal/detect"
)

var rcv019 = Rule{
	ID: "PS-RCV-019", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "STARTTLS is hidden from everyone",
	Why:    "Nobody can use TLS, whatever else is set.",
	Level:  Must,
	Source: "postconf(5), smtpd_discard_ehlo_keywords",
	Cure:   "take starttls out of smtpd_discard_ehlo_keywords",
	Check: listeners(func(f *Evidence, l detect.Listener) string {
		if slices.ContainsFunc(list(f.Config.Text(&l.Service, "smtpd_discard_ehlo_keywords")), func(w string) bool { return strings.EqualFold(w, "starttls") }) {
			return "takes STARTTLS out of what it offers"
		}
		return ""
	}, detect.Relay, detect.Submission),
}
